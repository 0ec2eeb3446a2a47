import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { StorePath } from '../../../src/closure/store-path.ts';
import { silentLog } from '../../../src/log.ts';
import { MemoryStore } from '../../../src/metadata/memory-store.ts';
import type { SnapshotRecord } from '../../../src/metadata/schema.ts';
import { LayerViews, type LayerViewsDeps } from '../../../src/snapshot/layer-views.ts';

const time = { seconds: 1, nanos: 0 };

function layer(id: number): SnapshotRecord {
  const path = `/nix/store/${String(id).repeat(32)}-x` as StorePath;
  const closure = { source: 'label', closure: { kind: 'closure-info', path } } as const;
  return {
    key: `layer ${id}`,
    id,
    kind: 'committed',
    parent: '',
    created: time,
    updated: time,
    labels: new Map(),
    closure,
  };
}

/** Views of layers that the host's restart unmounted; `warm` makes one again. */
function lostViews(warm: (id: number, signal: AbortSignal | undefined) => Promise<void>) {
  const store = new MemoryStore({ records: [layer(1), layer(2), layer(3)] });
  const [warmed, collected]: [number[], string[][]] = [[], []];
  const deps = {
    store,
    chainView: {
      async warm({ layers: [top] }: { layers: [{ id: number }] }, signal?: AbortSignal) {
        await warm(top.id, signal);
        warmed.push(top.id);
      },
    },
    overlays: {
      isLost: ({ path }: { path: string }) => !warmed.some((id) => path.includes(`/${id}`)),
      collect: async (inUse: () => ReadonlySet<string>) => {
        collected.push([...inUse()]);
        return [];
      },
    },
    mappedViews: { collect: async () => [] },
    log: silentLog,
  } as unknown as LayerViewsDeps;
  return { store, warmed, collected, views: new LayerViews(deps) };
}

describe('LayerViews.restore', () => {
  it('makes what is lost again', async () => {
    const { views, warmed } = lostViews(async () => {});
    assert.equal(await views.restore(new AbortController().signal), 3);
    assert.deepEqual(warmed, [1, 2, 3]);
  });

  it('ends when the daemon stops, whatever Nix does', async () => {
    const stopping = new AbortController();
    const told: (boolean | undefined)[] = [];
    const { views, warmed } = lostViews(async (id, signal) => {
      if (id === 1) return;
      stopping.abort();
      told.push(signal?.aborted);
      throw new Error('nobody waits for it any more');
    });
    assert.equal(await views.restore(stopping.signal), 1);
    assert.deepEqual([warmed, told], [[1], [true]]);
  });

  it('makes none of a layer that was removed meanwhile, and leaves none', async () => {
    const { views, store, warmed, collected } = lostViews(async (id) => {
      if (id !== 1) return;
      for (const key of ['layer 1', 'layer 2']) await store.apply([{ type: 'delete', key }]);
    });
    await views.restore(new AbortController().signal);
    assert.deepEqual(warmed, [1, 3]);
    assert.deepEqual(
      collected.map((inUse) => inUse.length),
      [1],
    );
  });
});
