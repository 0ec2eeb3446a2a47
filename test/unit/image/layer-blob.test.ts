import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { describe, it, type TestContext } from 'node:test';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { layerDiffId, layerTar } from '../../../src/closure/layer-tar.ts';
import { planNixLayer } from '../../../src/closure/nix-layer.ts';
import type { Compression } from '../../../src/image/compression.ts';
import { writeLayer } from '../../../src/image/layer-blob.ts';
import { storePath, tempDir } from './fixture.ts';

const entries = planNixLayer(
  new Map([
    [storePath('dir-1.0'), { kind: 'directory' }],
    [storePath('link'), { kind: 'symlink', target: storePath('dir-1.0') }],
    [storePath('config.json'), { kind: 'file' }],
  ]),
  { kind: 'closure-info', path: storePath('closure-info') },
);

async function layer(t: TestContext, compression: Compression) {
  const file = join(await tempDir(t), 'layer');
  const blob = await writeLayer(layerTar(entries), compression, file);
  return { blob, bytes: await readFile(file) };
}

describe('writeLayer', () => {
  for (const [compression, unpack] of [
    ['none', (bytes: Buffer) => bytes],
    ['gzip', gunzipSync],
    ['zstd', zstdDecompressSync],
  ] as const) {
    it(`${compression}: tells the digests of what it wrote and of what that unpacks to`, async (t) => {
      const { blob, bytes } = await layer(t, compression);
      const hash = (data: Buffer) => `sha256:${createHash('sha256').update(data).digest('hex')}`;
      assert.equal(blob.descriptor.digest, hash(bytes));
      assert.equal(blob.descriptor.size, bytes.length);
      assert.equal(blob.diffId, hash(unpack(bytes)));
      assert.equal(blob.diffId, await layerDiffId(entries));
      assert.deepEqual(unpack(bytes), await buffer(layerTar(entries)));
      assert.match(
        blob.descriptor.mediaType,
        compression === 'none' ? /tar$/ : new RegExp(`tar\\+${compression}$`),
      );
    });
  }

  it('does not depend on the umask', async (t) => {
    const before = (await layer(t, 'gzip')).blob;
    const umask = process.umask(0o077);
    t.after(() => process.umask(umask));
    assert.deepEqual({ ...(await layer(t, 'gzip')).blob, file: '' }, { ...before, file: '' });
  });
});
