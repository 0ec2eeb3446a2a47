import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { PassThrough } from 'node:stream';
import { DaemonConnection } from '../../../../src/nix/daemon/connection.ts';
import { spawnDaemon, type Transport } from '../../../../src/nix/daemon/transport.ts';
import { SESSIONS, type Subject } from './sessions.ts';

/**
 * `node record.ts FILE`: records the sessions with this host's `nix-daemon --stdio`, for golden.test.ts. Runs where
 * `test/integration/nix-store/scenarios.ts set-up` has run; empties the store.
 */
const NODE = '/var/lib/nix-store-test';
const [file = '/dev/stdout'] = process.argv.slice(2);
const paths = JSON.parse(readFileSync(`${NODE}/paths.json`, 'utf8')) as {
  c: Subject['path'];
  b: Subject['path'];
};
const subject: Subject = { path: paths.c, reference: paths.b, cache: `file://${NODE}/cache` };

execFileSync('nix-store', ['--gc', '--quiet']);
rmSync('/root/.cache/nix', { recursive: true, force: true });
const env = { ...process.env, LC_ALL: 'C' };
const args = ['--stdio', '--option', 'require-sigs', 'false', '--option', 'substituters', subject.cache];
const sessions: Record<string, unknown> = {};
for (const [name, session] of Object.entries(SESSIONS)) {
  const { transport, sent, received } = taped(await spawnDaemon({ program: 'nix-daemon', args, env }));
  const connection = await DaemonConnection.open(transport);
  const answer = await session(connection, subject);
  await connection.close();
  sessions[name] = { sent: base64(sent), received: base64(received), answer };
}
writeFileSync(file, `${JSON.stringify({ subject, sessions }, undefined, 2)}\n`);

/** The same transport, and what goes through it. */
function taped(transport: Transport) {
  const sent: Buffer[] = [];
  const received: Buffer[] = [];
  const output = new PassThrough();
  output.on('data', (chunk: Buffer) => sent.push(chunk)).pipe(transport.output);
  transport.input.on('data', (chunk: Buffer) => received.push(chunk));
  return { transport: { ...transport, output }, sent, received };
}

function base64(chunks: readonly Buffer[]): string {
  return Buffer.concat(chunks).toString('base64');
}
