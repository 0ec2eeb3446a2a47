import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import type { StorePath } from '../../../../src/closure/store-path.ts';
import { DaemonConnection } from '../../../../src/nix/daemon/connection.ts';
import { textPath } from '../../../../src/nix/daemon/text-path.ts';
import { connectSocket } from '../../../../src/nix/daemon/transport.ts';
import { FakeDaemon } from './fake-daemon.ts';
import { SESSIONS, type Subject, TEXT } from './sessions.ts';

interface Recording {
  readonly subject: Subject;
  readonly sessions: Readonly<
    Record<string, { readonly sent: string; readonly received: string; readonly answer: unknown }>
  >;
}

/** Made by record.ts with Debian's Nix; one file for each version. */
const RECORDED = new URL('recorded/', import.meta.url);

for (const file of readdirSync(RECORDED)) {
  const version = file.replace(/\.json$/, '');
  const { subject, sessions } = JSON.parse(readFileSync(new URL(file, RECORDED), 'utf8')) as Recording;

  describe(`sessions with Nix ${version}`, () => {
    for (const [name, session] of Object.entries(SESSIONS)) {
      it(`${name}: the same bytes, the same answer`, async () => {
        const recorded = sessions[name];
        assert.ok(recorded, `record ${name} again`);
        const sent: Buffer[] = [];
        await using daemon = await FakeDaemon.start((client) => {
          client.on('data', (chunk: Buffer) => sent.push(chunk));
          client.write(Buffer.from(recorded.received, 'base64'));
        });
        const connection = await DaemonConnection.open(await connectSocket(daemon.path));
        const answer = await session(connection, subject);
        assert.deepEqual(JSON.parse(JSON.stringify(answer)), recorded.answer);
        assert.equal(connection.peer.nixVersion, version);
        await connection.close();
        assert.equal(Buffer.concat(sent).toString('base64'), recorded.sent);
      });
    }

    it('adds a text under the path that is worked out here', () => {
      const answer = sessions['root']?.answer as { readonly text: StorePath };
      const references = [subject.path, subject.reference].toSorted();
      assert.equal(textPath(TEXT.name, TEXT.content, references), answer.text);
    });
  });
}
