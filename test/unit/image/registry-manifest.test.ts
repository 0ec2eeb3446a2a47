import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { it, type TestContext } from 'node:test';
import { MEDIA, sha256 } from '../../../src/image/descriptor.ts';
import { parseReference } from '../../../src/image/reference.ts';
import { Registry } from '../../../src/image/registry.ts';
import { RegistryTransport } from '../../../src/image/registry-transport.ts';

const BYTES = Buffer.from('{"schemaVersion":2}');

async function registry(t: TestContext, answer: RequestListener): Promise<Registry> {
  const server = createServer(answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const reference = parseReference(`127.0.0.1:${(server.address() as AddressInfo).port}/team/app:1`);
  const transport = new RegistryTransport(
    { reference, actions: 'pull' },
    { credentials: async () => undefined },
  );
  return new Registry({ transport });
}

it('reads a manifest by tag and by digest, and says what a tag stands for', async (t) => {
  const asked: string[] = [];
  const some = await registry(t, ({ method, url, headers }, response) => {
    asked.push(`${method} ${url}`);
    assert.ok(headers.accept?.includes(MEDIA.ociIndex) && headers.accept.includes(MEDIA.dockerManifest));
    response.writeHead(200, { 'docker-content-digest': sha256(BYTES) }).end(BYTES);
  });
  assert.deepEqual(await some.manifest('1'), BYTES);
  assert.deepEqual(await some.manifest(sha256(BYTES)), BYTES);
  assert.equal(await some.digestOf('1'), sha256(BYTES));
  const path = '/v2/team/app/manifests';
  assert.deepEqual(asked, [`GET ${path}/1`, `GET ${path}/${sha256(BYTES)}`, `HEAD ${path}/1`]);
});

it('refuses other bytes than a digest names', async (t) => {
  const some = await registry(t, (_, response) => response.end('other'));
  await assert.rejects(some.manifest(sha256(BYTES)), {
    code: 'DataLoss',
    message: /the registry sent sha256:/,
  });
});

it('reads no manifest without end', { timeout: 60_000 }, async (t) => {
  const some = await registry(t, (_, response) => {
    const more = (): void => {
      while (!response.destroyed && response.write(Buffer.alloc(65_536, ' ')));
    };
    response.on('drain', more).writeHead(200);
    more();
  });
  await assert.rejects(some.manifest('1'), { code: 'ResourceExhausted' });
});

it('asks once where it is told to, and says why it failed', async (t) => {
  let asked = 0;
  const some = await registry(t, (_, response) => {
    asked += 1;
    response.writeHead(503).end('closed');
  });
  const tries = 1;
  await assert.rejects(some.manifest('1', { tries }), { code: 'Unavailable', message: /status 503: closed/ });
  await assert.rejects(some.digestOf('1', { tries }), {
    code: 'Unavailable',
    message: /HEAD manifest 1: status 503/,
  });
  assert.equal(asked, 2);
});
