import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { serveRegistry, type TestRegistry, TOKEN } from './distribution/registry.ts';

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

const OTHER_DIGEST = `sha256:${'0'.repeat(64)}`;
const sha256 = (bytes: Uint8Array) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

/**
 * What the OCI distribution specification 1.1 asks of the pull side of a registry, read from its text: "Pulling manifests",
 * "Pulling blobs", "Checking if content exists in the registry", "Listing Tags", "Listing Referrers", "Error Codes". Its own suite
 * cannot be had as a Go module.
 */
describe('the pull side of OCI distribution', () => {
  let registry: TestRegistry;
  before(async () => (registry = await serveRegistry()));
  after(async () => await registry[Symbol.asyncDispose]());

  const ask = async (path: string, { method = 'GET', headers = {} } = {}) =>
    await fetch(`http://127.0.0.1:${registry.port}${path}`, {
      method,
      headers: { authorization: `Basic ${Buffer.from(`nix:${TOKEN}`).toString('base64')}`, ...headers },
    });
  const bytesOf = async (response: Response) => Buffer.from(await response.arrayBuffer());
  const manifestOf = async (repository: string) => {
    const response = await ask(`/v2/${repository}/manifests/latest`);
    const bytes = await bytesOf(response);
    const manifest = JSON.parse(bytes.toString('utf8')) as {
      mediaType: string;
      config: Descriptor;
      layers: Descriptor[];
    };
    return { response, bytes, manifest, digest: sha256(bytes) };
  };
  const eachRepository = async (check: (repository: string) => Promise<void>) => {
    for (const repository of registry.repositories) await check(repository);
  };

  it('end-1: /v2/ answers 200', async () => {
    assert.equal((await ask('/v2/')).status, 200);
  });

  it('end-3: GET of a manifest, by tag and by digest, gives its bytes, type and digest', async () => {
    await eachRepository(async (repository) => {
      const { response, bytes, manifest, digest } = await manifestOf(repository);
      assert.equal(response.status, 200);
      assert.equal(response.headers.get('docker-content-digest'), digest);
      assert.equal(response.headers.get('content-type'), manifest.mediaType);
      assert.equal(response.headers.get('content-length'), String(bytes.length));
      const pinned = await ask(`/v2/${repository}/manifests/${digest}`);
      assert.equal(pinned.status, 200);
      assert.equal(pinned.headers.get('docker-content-digest'), digest);
      assert.ok((await bytesOf(pinned)).equals(bytes));
    });
  });

  it('end-3: HEAD of a manifest says what GET does, without a body', async () => {
    await eachRepository(async (repository) => {
      const { bytes, manifest, digest } = await manifestOf(repository);
      for (const reference of ['latest', digest]) {
        const head = await ask(`/v2/${repository}/manifests/${reference}`, { method: 'HEAD' });
        assert.equal(head.status, 200);
        assert.equal(head.headers.get('docker-content-digest'), digest);
        assert.equal(head.headers.get('content-type'), manifest.mediaType);
        assert.equal(head.headers.get('content-length'), String(bytes.length));
        assert.equal((await bytesOf(head)).length, 0);
      }
    });
  });

  it('end-2: GET and HEAD of each blob give its bytes, size and digest', async () => {
    await eachRepository(async (repository) => {
      const { manifest } = await manifestOf(repository);
      for (const { digest, size } of [manifest.config, ...manifest.layers]) {
        const url = `/v2/${repository}/blobs/${digest}`;
        const got = await ask(url);
        const bytes = await bytesOf(got);
        assert.deepEqual([got.status, sha256(bytes), bytes.length], [200, digest, size]);
        const head = await ask(url, { method: 'HEAD' });
        for (const { headers } of [got, head]) {
          assert.equal(headers.get('docker-content-digest'), digest);
          assert.equal(headers.get('content-length'), String(size));
        }
        assert.equal(head.status, 200);
      }
    });
  });

  it('end-2: ranges of a blob are its parts (RFC 9110, 14)', async () => {
    await eachRepository(async (repository) => {
      const { manifest } = await manifestOf(repository);
      const [layer] = manifest.layers;
      assert.ok(layer);
      const url = `/v2/${repository}/blobs/${layer.digest}`;
      const whole = await bytesOf(await ask(url));
      const last = layer.size - 1;
      for (const [range, start, end] of [
        ['bytes=0-0', 0, 1],
        [`bytes=${last}-`, last, layer.size],
        ['bytes=-7', layer.size - 7, layer.size],
        ['bytes=3-9', 3, 10],
        [`bytes=1-${layer.size * 2}`, 1, layer.size],
      ] as const) {
        const part = await ask(url, { headers: { range } });
        assert.equal(part.status, 206, range);
        assert.equal(part.headers.get('content-range'), `bytes ${start}-${end - 1}/${layer.size}`);
        assert.ok((await bytesOf(part)).equals(whole.subarray(start, end)), range);
      }
      const beyond = await ask(url, { headers: { range: `bytes=${layer.size}-` } });
      assert.equal(beyond.status, 416);
    });
  });

  it('a manifest or a blob that the repository has not is 404 with an error body', async () => {
    await eachRepository(async (repository) => {
      for (const [kind, code] of [
        ['manifests', 'MANIFEST_UNKNOWN'],
        ['blobs', 'BLOB_UNKNOWN'],
      ] as const) {
        const response = await ask(`/v2/${repository}/${kind}/${OTHER_DIGEST}`);
        assert.equal(response.status, 404, kind);
        assert.match(response.headers.get('content-type') ?? '', /^application\/json/);
        const { errors } = (await response.json()) as { errors: { code: string; message: string }[] };
        assert.equal(errors[0]?.code, code);
        assert.ok(errors[0]?.message.includes(OTHER_DIGEST));
      }
    });
  });

  it('end-8a: the tags of a repository', async () => {
    await eachRepository(async (repository) => {
      const response = await ask(`/v2/${repository}/tags/list`);
      assert.deepEqual(await response.json(), { name: repository, tags: ['latest'] });
    });
  });

  it('end-12a: the referrers of a manifest are an index, of none', async () => {
    await eachRepository(async (repository) => {
      const { digest } = await manifestOf(repository);
      const response = await ask(`/v2/${repository}/referrers/${digest}`);
      assert.equal(response.headers.get('content-type'), 'application/vnd.oci.image.index.v1+json');
      const index = (await response.json()) as { schemaVersion: number; manifests: unknown[] };
      assert.deepEqual([index.schemaVersion, index.manifests], [2, []]);
    });
  });

  it('pushing and deleting are refused with 405 and an error body', async () => {
    await eachRepository(async (repository) => {
      for (const [method, path] of [
        ['POST', 'blobs/uploads/'],
        ['PUT', 'manifests/latest'],
        ['PATCH', 'blobs/uploads/1'],
        ['DELETE', 'manifests/latest'],
        ['DELETE', `blobs/${OTHER_DIGEST}`],
      ] as const) {
        const response = await ask(`/v2/${repository}/${path}`, { method });
        assert.equal(response.status, 405, `${method} ${path}`);
        const { errors } = (await response.json()) as { errors: { code: string }[] };
        assert.equal(errors[0]?.code, 'UNSUPPORTED');
      }
    });
  });
});
