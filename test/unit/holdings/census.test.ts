import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LAYERED_CLOSURE_ANNOTATION } from '../../../src/closure/layered.ts';
import type { StorePath } from '../../../src/closure/store-path.ts';
import { takeCensus } from '../../../src/holdings/census.ts';
import { MemoryStore } from '../../../src/metadata/memory-store.ts';
import type { SnapshotRecord, StoredClosure } from '../../../src/metadata/schema.ts';

const NOW = { seconds: 1, nanos: 0 };
const CLOSURE: StoredClosure = {
  closure: { kind: 'closure-info', path: `/nix/store/${'a'.repeat(32)}-closure` as StorePath },
  source: 'label',
};
const OTHER: StoredClosure = {
  closure: { kind: 'paths', paths: [`/nix/store/${'b'.repeat(32)}-b` as StorePath] },
  source: 'verified',
};

describe('a census of snapshots', () => {
  let id = 0;
  const record = (key: string, parent: string, rest: Partial<SnapshotRecord> = {}): SnapshotRecord => {
    id += 1;
    const times = { created: NOW, updated: NOW };
    return { key, id, kind: 'committed', parent, labels: new Map(), ...times, ...rest };
  };
  const census = (records: readonly SnapshotRecord[]) => {
    const degraded = [{ key: 'broken', id: undefined, reason: 'x' }];
    return takeCensus(new MemoryStore({ records, degraded }), ({ key }) => key !== 'unpacked');
  };

  it('has snapshots by kind, and containers by what their image is made of', () => {
    const active = { kind: 'active' } as const;
    const layered = new Map([[LAYERED_CLOSURE_ANNOTATION, 'x']]);
    const counted = census([
      record('base', ''),
      record('nix', '', { closure: CLOSURE }),
      record('nix 2', 'nix', { closure: OTHER }),
      record('nix on base', 'base', { closure: CLOSURE }),
      record('fell back', 'nix', { labels: layered }),
      record('of nix', 'nix 2', { ...active, view: 'overlay' }),
      record('of mixed', 'nix on base', { ...active, view: 'binds' }),
      record('of base', 'base', active),
      record('of nothing', '', active),
      record('of fallback', 'fell back', { ...active, view: 'overlay' }),
      record('of a layer that is not there', 'gone', active),
      record('unpacked', 'nix', active),
      record('a view', 'nix', { kind: 'view' }),
    ]);
    assert.deepEqual(counted, {
      kinds: { committed: 5, active: 7, view: 1 },
      degraded: 1,
      containers: { nix: 1, mixed: 1, ordinary: 3, fallback: 1 },
      shown: { overlay: 2, binds: 1, store: 0 },
      layers: 3,
      closures: 2,
    });
  });

  it('looks at each layer once, and so at chains of any length', () => {
    const layers = Array.from({ length: 10_000 }, (_, at) => record(`l${at}`, at === 0 ? '' : `l${at - 1}`));
    const containers = layers.map(({ key }, at) => record(`c${at}`, key, { kind: 'active' }));
    assert.equal(census([...layers, ...containers]).containers.ordinary, 10_000);
  });
});
