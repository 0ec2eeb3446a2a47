import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { LayerClosure } from '../../../src/closure/annotations.ts';
import { layerDiffId } from '../../../src/closure/layer-tar.ts';
import { planNixLayer, type StoreEntry } from '../../../src/closure/nix-layer.ts';
import { LAYER_MARKER, recoverClosure } from '../../../src/closure/recover.ts';
import { parseStorePath, type StorePath } from '../../../src/closure/store-path.ts';

const HASH = 'abcdfghijklmnpqrsvwxyz0123456789';
const path = (name: string): StorePath => `/nix/store/${HASH}-${name}` as StorePath;
const longest = `${'L'.repeat(205)}+?=_.x`;
const INFO = { kind: 'closure-info', path: path('closure-info') } as const;
const DIRECTORY: StoreEntry = { kind: 'directory' };
const FILE: StoreEntry = { kind: 'file' };

const storePaths = new Map<StorePath, StoreEntry>([
  [path('dir-1.0'), DIRECTORY],
  [path('config.json'), FILE],
  [path('Upper+plus?q=1_x'), DIRECTORY],
  [path(longest), FILE],
  [path(`a${longest.slice(1)}`), { kind: 'symlink', target: path(longest) }],
  [path('to-nowhere'), { kind: 'symlink', target: '../elsewhere' }],
]);

describe('planNixLayer', () => {
  it('holds the marker and a mount point for each store path, in byte order', () => {
    assert.deepEqual(planNixLayer(storePaths, INFO), [
      { path: 'nix', entry: DIRECTORY },
      { path: 'nix/.nix-snapshotter-layer', entry: FILE, content: `${INFO.path}\n` },
      { path: 'nix/store', entry: DIRECTORY },
      { path: `nix/store/${HASH}-${longest}`, entry: FILE },
      { path: `nix/store/${HASH}-Upper+plus?q=1_x`, entry: DIRECTORY },
      { path: `nix/store/${HASH}-a${longest.slice(1)}`, entry: { kind: 'symlink', target: path(longest) } },
      { path: `nix/store/${HASH}-config.json`, entry: FILE },
      { path: `nix/store/${HASH}-dir-1.0`, entry: DIRECTORY },
      { path: `nix/store/${HASH}-to-nowhere`, entry: { kind: 'symlink', target: '../elsewhere' } },
    ]);
  });

  it('is the same in every version: images that are there already must match what a node makes again', async () => {
    assert.equal(
      await layerDiffId(planNixLayer(storePaths, INFO)),
      'sha256:738c10f90b3c24b0ec6c291b93d757f76668949edf838fc2f7ade97c2ce5a115',
    );
  });

  it('does not depend on the order of the store paths', () => {
    const name = fc
      .stringMatching(/^[a-zA-Z+?=_.-]{1,12}$/)
      .filter((text) => parseStorePath(path(text)) !== undefined);
    fc.assert(
      fc.property(fc.uniqueArray(name, { maxLength: 8 }), (names) => {
        const entries = names.map((text): [StorePath, StoreEntry] => [path(text), DIRECTORY]);
        const plan = planNixLayer(new Map(entries), INFO);
        assert.deepEqual(plan, planNixLayer(new Map(entries.toReversed()), INFO));
        const inBytes = plan.map((entry) => Buffer.from(entry.path)).toSorted((a, b) => a.compare(b));
        assert.deepEqual(
          plan.map((entry) => entry.path),
          inBytes.map(String),
        );
      }),
    );
  });

  it('is recovered by its marker, or by its mount points, when annotations are dropped', () => {
    const listed = (closure: LayerClosure) =>
      planNixLayer(storePaths, closure)
        .map(({ path: at, entry, content = '' }) =>
          entry.kind === 'file'
            ? { path: at, kind: entry.kind, empty: content === '', markerText: content }
            : { path: at, ...entry },
        )
        .toSorted((a, b) => rank(a.path) - rank(b.path));
    assert.deepEqual(recoverClosure(listed(INFO)), INFO);
    const named: LayerClosure = { kind: 'paths', paths: [...storePaths.keys()].toSorted() };
    assert.deepEqual(recoverClosure(listed(named)), named);
  });
});

/** The order in which a layer is listed for recovery. */
function rank(at: string): number {
  return at === LAYER_MARKER ? 0 : at.startsWith('nix/store/') ? 1 : 2;
}
