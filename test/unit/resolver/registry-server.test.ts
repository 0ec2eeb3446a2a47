import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { connect } from 'node:net';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { after, before, describe, it } from 'node:test';
import { StatusError } from '../../../src/errors.ts';
import { describe as describeBytes, MEDIA } from '../../../src/image/descriptor.ts';
import { silentLog } from '../../../src/log.ts';
import type { Wanted } from '../../../src/store-image/reference.ts';
import type { ResolverRequest } from '../../../src/resolver/requests.ts';
import { RegistryServer } from '../../../src/resolver/registry-server.ts';
import type { ServedBlob, ServedImage } from '../../../src/store-image/served-image.ts';

const HASH = '0'.repeat(32);
const TOKEN = 'a'.repeat(64);
const AUTHORIZED = { authorization: `Bearer ${TOKEN}` };

const blobOf = (mediaType: string, content: string): ServedBlob => ({
  descriptor: describeBytes(mediaType, Buffer.from(content)),
  open: async () => Readable.from([Buffer.from(content.slice(0, 3)), Buffer.from(content.slice(3))]),
});
const MANIFEST = blobOf(MEDIA.ociManifest, '{"schemaVersion":2}');
const ORDINARY = blobOf(MEDIA.ociManifest, '{"schemaVersion":2,"layers":[]}');
const LAYER = blobOf('application/vnd.oci.image.layer.v1.tar', '0123456789');
const UNREADABLE: ServedBlob = {
  descriptor: describeBytes(LAYER.descriptor.mediaType, Buffer.from('gone')),
  open: async () => {
    throw new StatusError('DataLoss', 'the layer is no file of the store');
  },
};
const IMAGE: ServedImage = {
  target: MANIFEST,
  blobs: new Map([MANIFEST, LAYER, UNREADABLE].map((blob) => [blob.descriptor.digest, blob])),
  closures: [],
  async [Symbol.asyncDispose]() {},
};

describe('RegistryServer', () => {
  let server: RegistryServer;
  const asked: Wanted[] = [];
  const ended = new EventEmitter<{ request: [ResolverRequest] }>();
  let waiting = Promise.withResolvers<AbortSignal>();

  before(async () => {
    const resolver = {
      resolve: async (wanted: Wanted, signal: AbortSignal) => {
        asked.push(wanted);
        const name = wanted.kind === 'path' ? wanted.path.slice(44) : '';
        if (name === 'absent')
          throw new StatusError('FailedPrecondition', 'no cache has /nix/store/…-absent');
        if (name === 'broken') throw new Error('a secret');
        if (name === 'slow') {
          waiting.resolve(signal);
          await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
        }
        return { image: IMAGE, [Symbol.dispose]() {} };
      },
    };
    const options = { host: '127.0.0.1', port: 0, token: TOKEN, deadlineMs: 60_000 };
    const layers = {
      resolve: async (wanted: Wanted, signal: AbortSignal) => {
        const lease = await resolver.resolve(wanted, signal);
        return { ...lease, image: { ...IMAGE, target: ORDINARY } };
      },
    };
    const observe = (request: ResolverRequest) => ended.emit('request', request);
    server = await RegistryServer.listen(options, { resolver, layers, log: silentLog, observe });
  });
  after(() => server[Symbol.asyncDispose]());

  const ask = async (path: string, init: RequestInit = {}) =>
    await fetch(`http://127.0.0.1:${server.port}${path}`, { headers: AUTHORIZED, ...init });
  const errorOf = async (response: Response) =>
    ((await response.json()) as { errors: { code: string; message: string }[] }).errors[0];

  it('says that it is a registry, to who shows the token', async () => {
    assert.equal((await ask('/v2/')).status, 200);
    const refused = await ask('/v2/', { headers: {} });
    assert.equal(refused.status, 401);
    assert.match(refused.headers.get('www-authenticate') ?? '', /^Basic realm=/);
    assert.equal((await errorOf(refused))?.code, 'UNAUTHORIZED');
  });

  it('tells who shows a wrong bearer where the token is, and looks nothing up', async () => {
    const askedBefore = asked.length;
    const headers = { authorization: `Bearer ${'b'.repeat(64)}` };
    const manifests = `/v2/nix/store/${HASH}-x/manifests`;
    const found = await ask(`${manifests}/latest`, { headers, method: 'HEAD' });
    assert.equal(found.status, 200);
    const digest = found.headers.get('docker-content-digest') ?? '';
    assert.match(digest, /^sha256:[0-9a-f]{64}$/);
    for (const reference of [digest, 'latest', MANIFEST.descriptor.digest]) {
      const told = await ask(`${manifests}/${reference}`, { headers });
      assert.equal(told.status, 403);
      const message = (await errorOf(told))?.message ?? '';
      assert.ok(message.startsWith(`nix/store/${HASH}-x/manifests/`), message);
      assert.match(message, /token of the resolver is wrong.*hosts\.toml/);
    }
    for (const other of [
      '/v2/',
      `/v2/${HASH}-x/blobs/${LAYER.descriptor.digest}`,
      `/v2/${HASH}-x/referrers/x`,
    ]) {
      assert.equal((await ask(other, { headers })).status, 403, other);
    }
    assert.equal(asked.length, askedBefore);
  });

  it('tells of each request when it has ended, by what was asked for and the answer', async () => {
    const told = async (path: string, init: RequestInit = {}) => {
      const request = once(ended, 'request');
      await (await ask(path, init)).text();
      const [{ kind, code }] = (await request) as [ResolverRequest];
      return `${kind} ${code}`;
    };
    const repository = `/v2/nix/store/${HASH}-x`;
    const blob = `${repository}/blobs/${LAYER.descriptor.digest}`;
    assert.equal(await told('/v2/', { headers: {} }), 'other 401');
    assert.equal(await told(`${repository}/manifests/latest`, { method: 'HEAD' }), 'manifest 200');
    assert.equal(await told(`/v2/nix/store/${HASH}-absent/manifests/latest`), 'manifest 422');
    assert.equal(await told(blob, { headers: { ...AUTHORIZED, range: 'bytes=0-3' } }), 'blob 206');
    const leave = new AbortController();
    const gone = once(ended, 'request');
    waiting = Promise.withResolvers();
    const asking = ask(`/v2/nix/store/${HASH}-slow/manifests/latest`, { signal: leave.signal });
    await waiting.promise;
    leave.abort();
    await assert.rejects(asking, { name: 'AbortError' });
    assert.deepEqual(await gone, [{ kind: 'manifest', code: 'aborted' }]);
  });

  it('tells why a blob cannot be opened', async () => {
    const response = await ask(`/v2/${HASH}-x/blobs/${UNREADABLE.descriptor.digest}`);
    assert.equal(response.status, 422);
    assert.match((await errorOf(response))?.message ?? '', /the layer is no file of the store/);
  });

  it('leaves no blob open whose client has gone', async () => {
    const closed = Promise.withResolvers<void>();
    const opened = Promise.withResolvers<void>();
    const open = LAYER.open;
    const mutable = LAYER as { open: ServedBlob['open'] };
    const leave = new AbortController();
    mutable.open = async () => {
      leave.abort();
      // The server learns of it while the blob is being opened.
      await new Promise((resolve) => setTimeout(resolve, 200));
      const stream = (await open()).once('close', () => closed.resolve());
      opened.resolve();
      return stream;
    };
    try {
      const asking = ask(`/v2/${HASH}-x/blobs/${LAYER.descriptor.digest}`, { signal: leave.signal });
      await assert.rejects(asking, { name: 'AbortError' });
      await opened.promise;
      await closed.promise;
    } finally {
      mutable.open = open;
    }
  });

  it('tells what it could not tell a HEAD to its own repository only', async () => {
    const digest = MANIFEST.descriptor.digest;
    const refused = `/v2/${HASH}-absent/manifests/${digest}`;
    assert.equal((await ask(refused, { method: 'HEAD' })).status, 200);
    assert.equal((await ask(`/v2/${HASH}-x/manifests/${digest}`)).status, 200);
    assert.equal((await ask(refused)).status, 422);
  });

  it('takes no repository that is spelled with what ends a part of a flake', async () => {
    for (const name of ['flake/github/a/b%23c', 'flake/github/a%2Fb/c', 'flake/github/a/b?x', 'a b']) {
      const response = await ask(`/v2/${name}/${'0'.repeat(40)}/manifests/latest`);
      assert.notEqual(response.status, 200, name);
    }
    assert.ok(!asked.some(({ kind }) => kind === 'flake'));
  });

  it('gives a manifest by tag and by digest, to HEAD and to GET', async () => {
    for (const reference of ['latest', MANIFEST.descriptor.digest]) {
      for (const method of ['HEAD', 'GET']) {
        const response = await ask(`/v2/nix/store/${HASH}-x/manifests/${reference}?ns=nix%3A0`, { method });
        assert.equal(response.status, 200);
        assert.equal(response.headers.get('content-type'), MEDIA.ociManifest);
        assert.equal(response.headers.get('docker-content-digest'), MANIFEST.descriptor.digest);
        assert.equal(response.headers.get('content-length'), String(MANIFEST.descriptor.size));
        assert.equal(await response.text(), method === 'GET' ? '{"schemaVersion":2}' : '');
      }
    }
    assert.deepEqual(asked.at(-1), { kind: 'path', path: `/nix/store/${HASH}-x` });
  });

  it('gives the manifest with ordinary layers below layers/', async () => {
    for (const repository of [`layers/nix/store/${HASH}-x`, `layers/${HASH}-x`]) {
      const response = await ask(`/v2/${repository}/manifests/latest`);
      assert.equal(response.headers.get('docker-content-digest'), ORDINARY.descriptor.digest);
      assert.deepEqual(asked.at(-1), { kind: 'path', path: `/nix/store/${HASH}-x` });
    }
    await ask(`/v2/layers/${HASH}/manifests/X`);
    assert.deepEqual(asked.at(-1), { kind: 'path', path: `/nix/store/${HASH}-X` });
    assert.equal((await ask(`/v2/layers/layers/${HASH}-x/manifests/latest`)).status, 400);
  });

  it('gives blobs, whole and in part', async () => {
    const layer = `/v2/${HASH}-x/blobs/${LAYER.descriptor.digest}`;
    const whole = await ask(layer);
    assert.equal(whole.headers.get('docker-content-digest'), LAYER.descriptor.digest);
    assert.equal(await whole.text(), '0123456789');
    const part = await ask(layer, { headers: { ...AUTHORIZED, range: 'bytes=2-4' } });
    assert.equal(part.status, 206);
    assert.equal(part.headers.get('content-range'), 'bytes 2-4/10');
    assert.equal(await part.text(), '234');
    const beyond = await ask(layer, { headers: { ...AUTHORIZED, range: 'bytes=10-' } });
    assert.deepEqual([beyond.status, beyond.headers.get('content-range')], [416, 'bytes */10']);
    const absent = await ask(`/v2/${HASH}-x/blobs/sha256:${'f'.repeat(64)}`);
    assert.equal(absent.status, 404);
    assert.match((await errorOf(absent))?.message ?? '', /is not part of this image/);
  });

  it('has no referrers', async () => {
    const response = await ask(`/v2/${HASH}-x/referrers/${MANIFEST.descriptor.digest}`);
    assert.deepEqual(await response.json(), {
      schemaVersion: 2,
      mediaType: MEDIA.ociIndex,
      manifests: [],
    });
  });

  it('lists one tag of a path', async () => {
    for (const repository of [`${HASH}-x`, `layers/nix/store/${HASH}-x`]) {
      const response = await ask(`/v2/${repository}/tags/list?n=100`);
      assert.deepEqual(await response.json(), { name: repository, tags: ['latest'] });
    }
    assert.equal((await ask('/v2/library/busybox/tags/list')).status, 400);
  });

  it('tells an error to the GET that follows a HEAD, once', async () => {
    const head = await ask(`/v2/${HASH}-absent/manifests/latest`, { method: 'HEAD' });
    assert.equal(head.status, 200);
    const digest = head.headers.get('docker-content-digest') ?? '';
    const got = await ask(`/v2/${HASH}-absent/manifests/${digest}`);
    assert.equal(got.status, 422);
    assert.match((await errorOf(got))?.message ?? '', /^no cache has/);
    const direct = await ask(`/v2/${HASH}-absent/manifests/latest`);
    assert.equal(direct.status, 422);
  });

  it('tells that a digest is not the image, in a way that clients show', async () => {
    const manifest = `/v2/${HASH}-x/manifests/sha256:${'f'.repeat(64)}`;
    assert.equal((await ask(manifest)).status, 404);
    assert.equal((await ask(manifest, { method: 'HEAD' })).status, 200);
    const told = await ask(manifest);
    assert.equal(told.status, 422);
    assert.match((await errorOf(told))?.message ?? '', /is not part of this image/);
  });

  it('says nothing of what is inside', async () => {
    const response = await ask(`/v2/${HASH}-broken/manifests/latest`);
    assert.equal(response.status, 500);
    assert.doesNotMatch(await response.text(), /secret/);
  });

  it('refuses names that are no store paths, and what is no pull', async () => {
    for (const [path, init, status] of [
      ['/v2/library/busybox/manifests/latest', {}, 400],
      [`/v2/${HASH}-x/manifests/-bad`, {}, 400],
      [`/v2/${HASH}-x/blobs/sha512:00`, {}, 400],
      [`/v2/${'a'.repeat(2000)}/manifests/latest`, {}, 400],
      [`/v2/${HASH}-x/manifests/latest`, { method: 'PUT', body: 'x' }, 405],
      [`/v2/${HASH}-x/blobs/uploads/`, { method: 'POST' }, 405],
      ['/v2/_catalog', {}, 405],
      ['/', {}, 405],
    ] as const) {
      const response = await ask(path, init);
      assert.equal(response.status, status, path.slice(0, 80));
      assert.ok((await errorOf(response))?.message, path.slice(0, 80));
    }
  });

  it('answers a broken request and goes on', async () => {
    for (const bytes of [
      'GET / HTTP/9.9\r\n\r\n',
      `GET / HTTP/1.1\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`,
      '\0\0\0\r\n\r\n',
    ]) {
      const socket = connect(server.port, '127.0.0.1');
      socket.write(bytes);
      assert.match(await text(socket), /^HTTP\/1\.1 4\d\d /);
    }
    assert.equal((await ask('/v2/')).status, 200);
  });

  it('stops waiting when the client goes', async () => {
    waiting = Promise.withResolvers();
    const gone = new AbortController();
    const asking = ask(`/v2/${HASH}-slow/manifests/latest`, { signal: gone.signal });
    const signal = await waiting.promise;
    gone.abort();
    await assert.rejects(asking, { name: 'AbortError' });
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve));
  });

  it('names the address when it is in use', async () => {
    const resolver = { resolve: () => Promise.reject(new Error('not asked')) };
    const options = { host: '127.0.0.1', port: server.port, token: TOKEN, deadlineMs: 60_000 };
    await assert.rejects(RegistryServer.listen(options, { resolver, layers: resolver, log: silentLog }), {
      code: 'FailedPrecondition',
      message: new RegExp(`cannot listen on 127.0.0.1:${server.port}: .*EADDRINUSE.*choose another`),
    });
  });
});
