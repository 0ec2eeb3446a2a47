import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { LAYERED_CLOSURE_ANNOTATION } from '../../../src/closure/layered.ts';
import type { StorePath } from '../../../src/closure/store-path.ts';
import { MemoryStore } from '../../../src/metadata/memory-store.ts';
import type { SnapshotRecord, StoredClosure } from '../../../src/metadata/schema.ts';
import { exposition } from '../../../src/metrics/exposition.ts';
import { stateFamilies } from '../../../src/metrics/state.ts';
import { Layout } from '../../../src/snapshot/layout.ts';

const NOW = { seconds: 1, nanos: 0 };
const CLOSURE: StoredClosure = {
  closure: { kind: 'closure-info', path: `/nix/store/${'a'.repeat(32)}-closure` as StorePath },
  source: 'label',
};
const OTHER: StoredClosure = {
  closure: { kind: 'paths', paths: [`/nix/store/${'b'.repeat(32)}-b` as StorePath] },
  source: 'verified',
};

describe('metrics of what there is', () => {
  let root = '';
  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'metrics-state-'));
  });
  after(() => rm(root, { recursive: true }));

  let id = 0;
  const record = (key: string, parent: string, rest: Partial<SnapshotRecord> = {}): SnapshotRecord => {
    id += 1;
    const times = { created: NOW, updated: NOW };
    return { key, id, kind: 'committed', parent, labels: new Map(), ...times, ...rest };
  };
  const scrape = async (records: readonly SnapshotRecord[]) => {
    const degraded = [{ key: 'broken', id: undefined, reason: 'x' }];
    const store = new MemoryStore({ records, degraded });
    const families = await stateFamilies({
      store,
      layout: new Layout(root),
      roots: { count: 7 },
      inFlight: () => [],
      nix: { realStoreDir: async () => root, backend: { name: 'daemon', reason: 'default' } },
      view: { current: 'overlay' },
      mountedForUs: () => 3,
      problems: ['one'],
    });
    return exposition(families, 'text').split('\n');
  };

  it('snapshots by kind, containers by what their image is made of', async () => {
    const active = { kind: 'active' } as const;
    const layered = new Map([[LAYERED_CLOSURE_ANNOTATION, 'x']]);
    const lines = await scrape([
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
      record('default/1/extract-1-a sha256:x', 'nix', active),
      record('a view', 'nix', { kind: 'view' }),
    ]);
    for (const line of [
      'nix_snapshotter_snapshots{kind="committed"} 5',
      'nix_snapshotter_snapshots{kind="active"} 6',
      'nix_snapshotter_snapshots{kind="view"} 1',
      'nix_snapshotter_snapshots_degraded 1',
      'nix_snapshotter_containers{image="nix"} 1',
      'nix_snapshotter_containers{image="mixed"} 1',
      'nix_snapshotter_containers{image="ordinary"} 2',
      'nix_snapshotter_containers{image="fallback"} 1',
      'nix_snapshotter_containers_shown{view="overlay"} 2',
      'nix_snapshotter_containers_shown{view="binds"} 1',
      'nix_snapshotter_nix_layers 3',
      'nix_snapshotter_closures 2',
      'nix_snapshotter_gc_roots{kind="snapshot"} 7',
      'nix_snapshotter_gc_roots{kind="pulled"} 0',
      'nix_snapshotter_view_mounts 3',
      'nix_snapshotter_view_info{mode="overlay"} 1',
      'nix_snapshotter_view_info{mode="binds"} 0',
      'nix_snapshotter_reconcile_problems 1',
    ])
      assert.ok(lines.includes(line), `${line} is not in ${lines.join('\n')}`);
    assert.ok(
      lines.some((line) => /^nix_snapshotter_filesystem_free_bytes\{directory="store"\} [1-9]/.test(line)),
    );
  });

  it('looks at each layer once, and so at chains of any length', async () => {
    const layers = Array.from({ length: 10_000 }, (_, at) => record(`l${at}`, at === 0 ? '' : `l${at - 1}`));
    const containers = layers.map(({ key }, at) => record(`c${at}`, key, { kind: 'active' }));
    const lines = await scrape([...layers, ...containers]);
    assert.ok(lines.includes('nix_snapshotter_containers{image="ordinary"} 10000'));
  });
});
