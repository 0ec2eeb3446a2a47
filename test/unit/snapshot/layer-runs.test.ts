import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { StorePath } from '../../../src/closure/store-path.ts';
import type { SnapshotRecord, StoredClosure } from '../../../src/metadata/schema.ts';
import { runsOf, storedRuns } from '../../../src/snapshot/layer-runs.ts';

const path = (name: string) => `/nix/store/${'0'.repeat(32)}-${name}` as StorePath;
const NOW = { seconds: 1, nanos: 0 };

/** A chain, the immediate parent first: `v:a` is a verified layer of path a, `n:a` a Nix layer, the rest is ordinary. */
function chainOf(...layers: readonly string[]): readonly SnapshotRecord[] {
  return layers.map((layer, at) => {
    const [kind, name = ''] = layer.split(':');
    const closure = { kind: 'paths' as const, paths: [path(name)] };
    const source: StoredClosure['source'] = kind === 'v' ? 'verified' : 'label';
    const parent = at + 1 < layers.length ? String(at + 1) : '';
    return {
      key: String(at),
      id: at,
      kind: 'committed',
      parent,
      created: NOW,
      updated: NOW,
      labels: new Map(),
      ...(kind === 'v' || kind === 'n' ? { closure: { closure, source } } : {}),
    };
  });
}

const shown = (chain: readonly SnapshotRecord[]) =>
  runsOf(chain).map(({ layers, closure }) => [
    layers.map(({ id }) => id),
    closure.kind === 'paths' ? closure.paths : [],
  ]);

const storedOf = (records: readonly SnapshotRecord[]) => {
  const byKey = new Map(records.map((record) => [record.key, record]));
  return storedRuns(records, (name) => byKey.get(name));
};

describe('runs of layers', () => {
  it('join verified layers that are neighbours', () => {
    assert.deepEqual(shown(chainOf('links', 'v:c', 'v:a', 'v:b', 'base')), [
      [
        [1, 2, 3],
        [path('a'), path('b'), path('c')],
      ],
    ]);
  });

  it('are apart where another layer lies between', () => {
    assert.deepEqual(shown(chainOf('v:c', 'x', 'v:b', 'n:a', 'n:d', 'v:e')), [
      [[0], [path('c')]],
      [[2], [path('b')]],
      [[3], [path('a')]],
      [[4], [path('d')]],
      [[5], [path('e')]],
    ]);
  });

  it('are none of an ordinary chain', () => {
    assert.deepEqual(shown(chainOf('x', 'y')), []);
    assert.deepEqual(shown([]), []);
  });

  it('are the same for what containers on stored layers are shown', () => {
    const chain = chainOf('v:c', 'v:a', 'x', 'n:b');
    // The same objects, so that a closure's key is computed once.
    assert.deepEqual(storedOf(chain), [runsOf(chain)[0], runsOf(chain)[1]]);
    assert.equal(storedOf(chain)[0], runsOf(chain)[0]);
  });

  it('are not begun at each layer of a run, but where something else lies on it or somebody asked', () => {
    const run = chainOf('v:d', 'v:c', 'v:b', 'v:a');
    const tops = () => storedOf(records).map(({ layers }) => layers.map(({ id }) => id));
    const records = [...run];
    assert.deepEqual(tops(), [[0, 1, 2, 3]]);
    const [other] = chainOf('x');
    assert(other !== undefined);
    records.push({ ...other, key: 'container', kind: 'active', parent: '2' });
    assert.deepEqual(tops(), [
      [0, 1, 2, 3],
      [2, 3],
    ]);
    // A view of it may be there for a container that is being made.
    runsOf(run.slice(1));
    assert.deepEqual(tops(), [
      [0, 1, 2, 3],
      [1, 2, 3],
      [2, 3],
    ]);
  });

  it('of a long chain are no more work than the chain is long', () => {
    const chain = chainOf(...Array.from({ length: 2000 }, (_, at) => `v:${at}`));
    const found = storedOf(chain);
    assert.equal(found.length, 1);
    assert.equal(found[0]?.layers.length, chain.length);
  });
});
