import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import type { LayerClosure } from '../../../src/closure/annotations.ts';
import { layerTar } from '../../../src/closure/layer-tar.ts';
import { type LayerEntry, planNixLayer } from '../../../src/closure/nix-layer.ts';
import type { StorePath } from '../../../src/closure/store-path.ts';
import { storeTar } from '../../../src/image/store-tar.ts';
import { recoverFromTar } from '../../../src/store-image/recover-layer.ts';

const path = (name: string) => `/nix/store/${'0'.repeat(32)}-${name}` as StorePath;
const PATHS: LayerClosure = { kind: 'paths', paths: [path('a'), path('b')] };
const INFO: LayerClosure = { kind: 'closure-info', path: path('closure-info') };
const KINDS = new Map([
  [path('a'), { kind: 'directory' } as const],
  [path('b'), { kind: 'file' } as const],
]);
const file = (name: string, content: string): LayerEntry => ({
  path: name,
  entry: { kind: 'file' },
  content,
});

const tarOf = async (entries: readonly LayerEntry[]) => await buffer(layerTar(entries));
const recover = async (bytes: Buffer) =>
  await recoverFromTar(Readable.from([bytes.subarray(0, 700), bytes.subarray(700)]));

describe('recoverFromTar', () => {
  for (const [name, pack] of [
    ['plain', (bytes: Buffer) => bytes],
    ['gzip', gzipSync],
    ['zstd', zstdCompressSync],
  ] as const) {
    it(`finds what a layer of ours names, ${name}`, async () => {
      for (const closure of [PATHS, INFO])
        assert.deepEqual(await recover(pack(await tarOf(planNixLayer(KINDS, closure)))), closure);
    });
  }

  it('finds the marker wherever it lies', async () => {
    const [nix, marker, ...more] = planNixLayer(KINDS, PATHS);
    assert.ok(nix && marker);
    const tar = await tarOf([file('etc/motd', 'content'), nix, ...more, marker]);
    assert.deepEqual(await recover(tar), PATHS);
  });

  it('takes an ordinary layer for one', async () => {
    assert.equal(await recover(await tarOf([file('etc/motd', 'content')])), undefined);
    assert.equal(await recover(await tarOf([file(`${path('a').slice(1)}/bin/a`, 'real')])), undefined);
    assert.equal(await recover(await tarOf([])), undefined);
  });

  it('takes one that holds its store paths for ordinary, be they links or empty', async (t) => {
    const top = await mkdtemp(join(tmpdir(), 'recover-'));
    t.after(() => rm(top, { recursive: true }));
    await symlink('/nowhere', join(top, `${'0'.repeat(32)}-a`));
    await mkdir(join(top, `${'0'.repeat(32)}-b`));
    const tar = Buffer.concat(await Readable.from(storeTar([path('a'), path('b')], top)).toArray());
    assert.equal(await recover(tar), undefined);
  });

  it('refuses what is no tar', async () => {
    await assert.rejects(recover(Buffer.alloc(2048, 'x')), { code: 'DataLoss', message: /is no tar/ });
    await assert.rejects(recover(gzipSync(Buffer.alloc(2048)).subarray(0, 20)), { code: 'DataLoss' });
  });
});
