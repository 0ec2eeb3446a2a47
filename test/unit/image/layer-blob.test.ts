import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { describe, it, type TestContext } from 'node:test';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { extract, type Header } from 'tar-stream';
import fc from 'fast-check';
import type { LayerClosure } from '../../../src/closure/annotations.ts';
import { parseStorePath, type StorePath } from '../../../src/closure/store-path.ts';
import { LAYER_MARKER, recoverClosure } from '../../../src/closure/recover.ts';
import { writeLayer } from '../../../src/image/layer-blob.ts';
import {
  planNixLayer,
  resolveInLayer,
  type RootTree,
  type StoreEntry,
} from '../../../src/image/nix-layer.ts';
import { HASH, storePath, tempDir } from './fixture.ts';

const DIRECTORY: StoreEntry = { kind: 'directory' };
const FILE: StoreEntry = { kind: 'file' };
const longest = `${'L'.repeat(205)}+?=_.x`;

const paths = new Map<StorePath, StoreEntry>([
  [storePath('dir-1.0'), DIRECTORY],
  [storePath('config.json'), FILE],
  [storePath('Upper+plus?q=1_x'), DIRECTORY],
  [storePath(longest), FILE],
  [storePath(`a${longest.slice(1)}`), { kind: 'symlink', target: storePath(longest) }],
  [storePath('to-nowhere'), { kind: 'symlink', target: '../elsewhere' }],
]);
const INFO = { kind: 'closure-info', path: storePath('closure-info') } as const;
const tree: RootTree = {
  from: storePath('dir-1.0'),
  entries: [
    { path: 'bin', entry: DIRECTORY },
    { path: 'bin/tool', entry: FILE },
    { path: 'share/ü', entry: FILE },
  ],
};

/** The order in which a layer is listed for recovery. */
function rank(path: string): number {
  return path === LAYER_MARKER ? 0 : path.startsWith('nix/store/') ? 1 : 2;
}

async function members(tar: Buffer): Promise<Header[]> {
  const headers: Header[] = [];
  const reader = extract();
  Readable.from([tar]).pipe(reader);
  for await (const entry of reader) {
    headers.push(entry.header);
    entry.resume();
  }
  return headers;
}

async function layer(t: TestContext, compression: 'none' | 'gzip' | 'zstd') {
  const file = join(await tempDir(t), 'layer');
  const blob = await writeLayer(planNixLayer(paths, [tree], INFO), compression, file);
  return { blob, bytes: await readFile(file) };
}

describe('Nix layer', () => {
  it('holds empty mount points and links, all of root, of time 0', async (t) => {
    const { bytes } = await layer(t, 'none');
    const found = await members(bytes);
    for (const header of found) {
      assert.deepEqual([header.uid, header.gid, header.mtime?.getTime()], [0, 0, 0], header.name);
      const size = header.name === LAYER_MARKER ? INFO.path.length + 1 : 0;
      assert.equal(header.size, size, header.name);
      const mode = { directory: 0o755, file: 0o555, symlink: 0o777 }[header.type as string];
      assert.equal(header.mode, mode, header.name);
      const isMarker = header.name === LAYER_MARKER;
      assert.equal(header.size, isMarker ? INFO.path.length + 1 : 0, header.name);
    }
    const names = found.map(({ name, type, linkname }) =>
      `${name.replace(/\/$/, '')} ${type} ${linkname ?? ''}`.trim(),
    );
    assert.deepEqual(names, [
      'bin directory',
      `bin/tool symlink ${tree.from}/bin/tool`,
      'nix directory',
      'nix/.nix-snapshotter-layer file',
      'nix/store directory',
      `nix/store/${HASH}-${longest} file`,
      `nix/store/${HASH}-Upper+plus?q=1_x directory`,
      `nix/store/${HASH}-a${longest.slice(1)} symlink ${storePath(longest)}`,
      `nix/store/${HASH}-config.json file`,
      `nix/store/${HASH}-dir-1.0 directory`,
      `nix/store/${HASH}-to-nowhere symlink ../elsewhere`,
      'share directory',
      `share/ü symlink ${tree.from}/share/ü`,
    ]);
  });

  it('has the same bytes always', async (t) => {
    const { blob, bytes } = await layer(t, 'none');
    assert.equal(blob.diffId, 'sha256:b7bc41cb730bc4cb6272afbd8a78e8f5d20827f56c50c966c526091c5c84c118');
    assert.equal(blob.descriptor.digest, blob.diffId);
    assert.equal(blob.descriptor.size, bytes.length);
  });

  for (const [compression, unpack] of [
    ['gzip', gunzipSync],
    ['zstd', zstdDecompressSync],
  ] as const) {
    it(`${compression}: tells the digests of what it wrote and of what that unpacks to`, async (t) => {
      const { blob, bytes } = await layer(t, compression);
      const hash = (data: Buffer) => `sha256:${createHash('sha256').update(data).digest('hex')}`;
      assert.equal(blob.descriptor.digest, hash(bytes));
      assert.equal(blob.diffId, hash(unpack(bytes)));
      assert.equal(blob.diffId, (await layer(t, 'none')).blob.diffId);
      assert.match(blob.descriptor.mediaType, new RegExp(`tar\\+${compression}$`));
    });
  }

  it('does not depend on the umask', async (t) => {
    const before = (await layer(t, 'gzip')).blob;
    const umask = process.umask(0o077);
    t.after(() => process.umask(umask));
    assert.deepEqual({ ...(await layer(t, 'gzip')).blob, file: '' }, { ...before, file: '' });
  });

  it('does not depend on the order of what is put in, and puts parents first', () => {
    const name = fc
      .stringMatching(/^[a-z+?=_.-]{1,12}$/)
      .filter((text) => parseStorePath(storePath(text)) !== undefined);
    const file = fc.array(fc.constantFrom('a', 'b', 'c', 'a.b', 'a-b'), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(
        fc.uniqueArray(name, { maxLength: 8 }),
        fc.uniqueArray(file, { selector: String }),
        (names, files) => {
          const storePaths = names.map((text): [StorePath, StoreEntry] => [storePath(text), DIRECTORY]);
          const entries = files.map((parts) => ({ path: parts.join('/'), entry: DIRECTORY }));
          const plan = planNixLayer(new Map(storePaths), [{ from: storePath('root'), entries }], INFO);
          const reversed = planNixLayer(
            new Map(storePaths.toReversed()),
            [{ from: storePath('root'), entries: entries.toReversed() }],
            INFO,
          );
          assert.deepEqual(plan, reversed);
          const seen = new Set(['']);
          for (const { path } of plan) {
            assert.ok(seen.has(path.split('/').slice(0, -1).join('/')), `parent of ${path} comes first`);
            seen.add(path);
          }
        },
      ),
    );
  });

  it('is recovered by its marker, or by its mount points, when annotations are dropped', () => {
    const listed = (closure: LayerClosure) =>
      planNixLayer(paths, [tree], closure)
        .map(({ path, entry, content = '' }) =>
          entry.kind === 'file'
            ? { path, kind: entry.kind, empty: content === '', markerText: content }
            : { path, ...entry },
        )
        .toSorted((a, b) => Number(b.path === LAYER_MARKER) - Number(a.path === LAYER_MARKER));
    assert.deepEqual(recoverClosure(listed(INFO)), INFO);
    const named: LayerClosure = { kind: 'paths', paths: [...paths.keys()].toSorted() };
    const below = listed(named).toSorted((a, b) => rank(a.path) - rank(b.path));
    assert.deepEqual(recoverClosure(below), named);
  });

  it('names both claimants of one path', () => {
    const other: RootTree = { from: storePath('other'), entries: [{ path: 'bin/tool', entry: FILE }] };
    assert.throws(() => planNixLayer(new Map(), [tree, other], INFO), {
      code: 'InvalidArgument',
      message: new RegExp(`/bin/tool .*${tree.from}.*${other.from}`),
    });
    const shadow: RootTree = { from: storePath('shadow'), entries: [{ path: 'nix', entry: FILE }] };
    assert.throws(() => planNixLayer(paths, [shadow], INFO), { code: 'InvalidArgument', message: /\/nix / });
  });

  it('resolves a path at the root to the store', () => {
    const plan = planNixLayer(paths, [tree], INFO);
    assert.equal(resolveInLayer(plan, '/bin/tool'), `${tree.from}/bin/tool`);
    assert.equal(resolveInLayer(plan, '/bin/other'), undefined);
    assert.equal(resolveInLayer(plan, '/nix/store/x/y'), '/nix/store/x/y');
  });
});
