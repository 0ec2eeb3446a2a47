import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { chmod, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { describe, it, type TestContext } from 'node:test';
import { StatusError } from '../../../src/errors.ts';
import { describe as descriptorOf, encodeJson, MEDIA } from '../../../src/image/descriptor.ts';
import { dockerCredentials } from '../../../src/image/docker-config.ts';
import { pushImage } from '../../../src/image/push.ts';
import { RegistryTransport } from '../../../src/image/registry-transport.ts';
import { parseReference } from '../../../src/image/reference.ts';
import { responseText } from '../../../src/image/response-text.ts';
import { UsageError } from '../../../src/image/usage-error.ts';
import { ociImage, ociMembers, tarOf, tempDir } from './fixture.ts';

/** A registry that wants a token, and answers the first `failures` uploads with 503. */
async function registry(t: TestContext, options: { failures?: number; broken?: number } = {}) {
  const blobs = new Map<string, Buffer>();
  const requests: string[] = [];
  let failures = options.failures ?? 0;
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url ?? '', `http://${request.headers.host}`);
    requests.push(`${request.method} ${url.pathname}`);
    const body = await buffer(request);
    const digest = `sha256:${createHash('sha256').update(body).digest('hex')}`;
    const end = (status: number, headers: Record<string, string> = {}, text = '') => {
      response.writeHead(status, headers).end(text);
    };
    if (url.pathname === '/token') {
      const user = Buffer.from((request.headers.authorization ?? '').slice(6), 'base64').toString();
      if (user !== 'alice:secret') return end(401, {}, 'wrong password');
      return end(200, {}, JSON.stringify({ token: `for ${url.searchParams.get('scope')}` }));
    }
    if (options.broken !== undefined) return end(options.broken, {}, 'out of order');
    if (request.headers.authorization !== 'Bearer for repository:team/app:pull,push') {
      return end(401, {
        'www-authenticate': `Bearer realm="http://${request.headers.host}/token",service="reg"`,
      });
    }
    if (request.method === 'HEAD') return end(blobs.has(url.pathname.split('/').at(-1) ?? '') ? 200 : 404);
    if (request.method === 'POST') return end(202, { location: '/v2/team/app/blobs/uploads/1?state=x' });
    if (failures-- > 0) return end(503, {}, 'later');
    const manifest = url.pathname.includes('/manifests/');
    if (!manifest && url.searchParams.get('digest') !== digest) return end(400, {}, 'DIGEST_INVALID');
    blobs.set(manifest ? (url.pathname.split('/').at(-1) ?? '') : digest, body);
    return end(201, { 'docker-content-digest': digest });
  };
  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) =>
      response.destroy(error instanceof Error ? error : undefined),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  return { host: `127.0.0.1:${(server.address() as AddressInfo).port}`, blobs, requests };
}

const alice = {
  credentials: async () => ({ kind: 'basic', username: 'alice', password: 'secret' }) as const,
};

async function archive(t: TestContext): Promise<string> {
  const image = await ociImage();
  const file = join(await tempDir(t), 'image.tar');
  await writeFile(file, await tarOf(ociMembers(image.blobs, [image.descriptor])));
  return file;
}

describe('push', () => {
  it('logs in, sends blobs then manifest, and the second time only the manifest', async (t) => {
    const { host, blobs, requests } = await registry(t);
    const path = await archive(t);
    const first = await pushImage({ path, ref: `${host}/team/app:1` }, alice);
    assert.deepEqual([first.sent, first.present], [2, 0]);
    assert.equal(requests.filter((line) => line === 'GET /token').length, 1, 'one token serves all');
    assert.equal(requests.at(-1), 'PUT /v2/team/app/manifests/1');
    assert.equal(blobs.size, 3);
    const second = await pushImage({ path, ref: `${host}/team/app:1` }, alice);
    assert.deepEqual([second.sent, second.present], [0, 2]);
  });

  it('begins an upload anew after a 503', async (t) => {
    const { host } = await registry(t, { failures: 2 });
    assert.equal((await pushImage({ path: await archive(t), ref: `${host}/team/app:1` }, alice)).sent, 2);
  });

  it('a refused login, an absent one and a broken registry say so', async (t) => {
    const { host } = await registry(t);
    const path = await archive(t);
    const wrong = { credentials: async () => ({ kind: 'basic', username: 'alice', password: 'x' }) as const };
    await assert.rejects(pushImage({ path, ref: `${host}/team/app:1` }, wrong), {
      code: 'PermissionDenied',
      message: new RegExp(`${host}.*status 401: wrong password`),
    });
    const denied = await registry(t, { broken: 403 });
    await assert.rejects(pushImage({ path, ref: `${denied.host}/team/app:1` }, alice), {
      code: 'PermissionDenied',
      message: new RegExp(`registry ${denied.host}, repository team/app: .*status 403.*docker login`),
    });
    await assert.rejects(pushImage({ path }, alice), { code: 'InvalidArgument', message: /no name/ });
  });

  it('an index that names one manifest again and again is pushed once', { timeout: 60_000 }, async (t) => {
    const { host, requests } = await registry(t);
    const image = await ociImage();
    const blobs: Buffer[] = [...image.blobs];
    let target = descriptorOf(MEDIA.ociManifest, image.manifest.bytes);
    for (let depth = 0; depth < 4; depth++) {
      const bytes = encodeJson({ schemaVersion: 2, manifests: Array.from({ length: 200 }, () => target) });
      target = descriptorOf(MEDIA.ociIndex, bytes);
      blobs.push(bytes);
    }
    const path = join(await tempDir(t), 'image.tar');
    await writeFile(path, await tarOf(ociMembers(blobs, [target])));
    await pushImage({ path, ref: `${host}/team/app:1` }, alice);
    assert.equal(requests.filter((line) => line.includes('/manifests/')).length, 5);
  });

  it('an image is not pushed under the digest of another', async (t) => {
    const digest = `sha256:${'0'.repeat(64)}`;
    await assert.rejects(
      pushImage({ path: await archive(t), ref: `127.0.0.1:1/team/app@${digest}` }, alice),
      (error) => error instanceof UsageError && error.message.includes('cannot be pushed as'),
    );
  });

  it('reads no more of an answer than its beginning', { timeout: 60_000 }, async () => {
    const endless = new ReadableStream({ pull: (controller) => controller.enqueue(Buffer.alloc(1000, 'x')) });
    assert.equal(await responseText(new Response(endless), 2500), 'x'.repeat(2500));
    assert.equal(await responseText(new Response(null), 10), '');
    assert.equal(await responseText(new Response('short'), 10), 'short');
  });

  it('pauses grow, and the last failure is told', async (t) => {
    const { host, requests } = await registry(t, { broken: 500 });
    const pauses: number[] = [];
    const transport = new RegistryTransport(
      { reference: parseReference(`${host}/team/app:1`), actions: 'pull' },
      { credentials: async () => undefined, wait: async (ms) => pauses.push(ms) },
    );
    const response = await transport.send(transport.url('blobs/x'), { method: 'GET' });
    const error = await transport.error(response, 'GET blob x');
    assert.equal(error.code, 'Unavailable');
    assert.match(error.message, /status 500: out of order/);
    assert.deepEqual(pauses, [250, 500, 1000, 2000]);
    assert.equal(requests.length, 5);
  });

  it('does not follow a registry with TLS to plain HTTP', () => {
    const transport = new RegistryTransport(
      { reference: parseReference('registry.example/team/app:1'), actions: 'pull' },
      { credentials: async () => undefined },
    );
    assert.equal(transport.url('blobs/x').href, 'https://registry.example/v2/team/app/blobs/x');
    assert.throws(() => transport.url('http://evil.example/upload'), {
      code: 'PermissionDenied',
      message: /evil\.example/,
    });
  });
});

describe('docker credentials', () => {
  const auth = Buffer.from('alice:se:cret').toString('base64');

  async function config(t: TestContext, value: unknown): Promise<Record<string, string>> {
    const dir = await tempDir(t);
    await writeFile(join(dir, 'config.json'), typeof value === 'string' ? value : JSON.stringify(value));
    return { DOCKER_CONFIG: dir, PATH: `${dir}:${process.env['PATH'] ?? ''}` };
  }

  it('from auths, Docker Hub by its old name, identity tokens', async (t) => {
    const env = await config(t, {
      auths: { 'r.example:5000': { auth }, 'https://index.docker.io/v1/': { identitytoken: 'T' }, other: {} },
    });
    assert.deepEqual(await dockerCredentials('r.example:5000', env), {
      kind: 'basic',
      username: 'alice',
      password: 'se:cret',
    });
    assert.deepEqual(await dockerCredentials('docker.io', env), { kind: 'identity', token: 'T' });
    assert.equal(await dockerCredentials('other', env), undefined);
    assert.equal(await dockerCredentials('none', env), undefined);
    assert.equal(await dockerCredentials('none', { DOCKER_CONFIG: '/nonexistent' }), undefined);
  });

  it('from a helper, its own before the common one', async (t) => {
    const env = await config(t, { credHelpers: { 'r.example': 'test' }, credsStore: 'absent' });
    const helper = join(env['DOCKER_CONFIG'] ?? '', 'docker-credential-test');
    await writeFile(
      helper,
      '#!/bin/sh\nread host\necho "{\\"Username\\":\\"$host\\",\\"Secret\\":\\"S\\"}"\n',
    );
    await chmod(helper, 0o755);
    assert.deepEqual(await dockerCredentials('r.example', env), {
      kind: 'basic',
      username: 'r.example',
      password: 'S',
    });
    await assert.rejects(dockerCredentials('x.example', env), {
      code: 'FailedPrecondition',
      message: /docker-credential-absent.*not in PATH/,
    });
    await writeFile(helper, '#!/bin/sh\necho "credentials not found in native keychain"; exit 1\n');
    assert.equal(await dockerCredentials('r.example', env), undefined);
  });

  it('a broken file or answer is told without what is in it', async (t) => {
    const env = await config(t, { credsStore: 'talks' });
    await writeFile(join(env['DOCKER_CONFIG'] ?? '', 'docker-credential-talks'), '#!/bin/sh\necho hunter2\n');
    await chmod(join(env['DOCKER_CONFIG'] ?? '', 'docker-credential-talks'), 0o755);
    const path = `${env['DOCKER_CONFIG']}:${process.env['PATH']}`;
    for (const tried of [
      { ...env, PATH: path },
      await config(t, '{"auths":{"x":{"auth": hunter2 }}}'),
      await config(t, { auths: { x: { password: 'hunter2', username: ['hunter2'] } } }),
    ]) {
      await assert.rejects(dockerCredentials('x', tried), (error) => {
        assert.ok(error instanceof StatusError);
        assert.equal(error.code, 'InvalidArgument');
        assert.match(error.message, /(?:config\.json|docker-credential-talks): not the JSON/);
        assert.doesNotMatch(error.message, /hunter2/);
        return true;
      });
    }
  });

  it('a broken file is told by its name, a helper cannot be a path', async (t) => {
    await assert.rejects(dockerCredentials('x', await config(t, '{')), {
      code: 'InvalidArgument',
      message: /config\.json/,
    });
    await assert.rejects(dockerCredentials('x', await config(t, { credsStore: '../../bin/sh' })), {
      code: 'InvalidArgument',
    });
    await assert.rejects(dockerCredentials('x', await config(t, { auths: { x: { auth: 'AAAA' } } })), {
      code: 'InvalidArgument',
      message: /auths of x/,
    });
  });
});
