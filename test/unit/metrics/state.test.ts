import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { describe, it } from 'node:test';
import { exposition } from '../../../src/metrics/exposition.ts';
import { stateFamilies } from '../../../src/metrics/state.ts';
import type { RealiseInFlight } from '../../../src/nix/realise-job.ts';

const realise = (state: RealiseInFlight['state'], waiters: number) =>
  ({ state, waiters, paths: ['x'] }) as unknown as RealiseInFlight;

describe('metrics of what there is', () => {
  it('are the counts of the holdings, the queue, and the disks', async () => {
    const families = await stateFamilies({
      root: '/nowhere',
      holdings: {
        census: () => ({
          kinds: { committed: 5, active: 6, view: 1 },
          degraded: 2,
          containers: { nix: 1, mixed: 2, ordinary: 3, fallback: 4 },
          shown: { overlay: 5, binds: 6, store: 7 },
          layers: 8,
          closures: 9,
        }),
        roots: async () => ({ snapshot: 10, pulled: 11, retired: 12 }),
        viewMounts: async () => 13,
      },
      latestReadiness: async () => 'Nix does not answer',
      inFlight: () => [realise('running', 2), realise('queued', 3), realise('queued', 1)],
      nix: { realStoreDir: async () => tmpdir(), backend: { name: 'nix-store', reason: 'configured' } },
      view: { current: 'binds' },
      problems: ['one'],
    });
    const lines = exposition(families, 'text').split('\n');
    for (const line of [
      'nix_snapshotter_snapshots{kind="committed"} 5',
      'nix_snapshotter_snapshots{kind="active"} 6',
      'nix_snapshotter_snapshots{kind="view"} 1',
      'nix_snapshotter_snapshots_degraded 2',
      'nix_snapshotter_containers{image="nix"} 1',
      'nix_snapshotter_containers{image="fallback"} 4',
      'nix_snapshotter_containers_shown{view="store"} 7',
      'nix_snapshotter_nix_layers 8',
      'nix_snapshotter_closures 9',
      'nix_snapshotter_gc_roots{kind="snapshot"} 10',
      'nix_snapshotter_gc_roots{kind="pulled"} 11',
      'nix_snapshotter_gc_roots{kind="retired"} 12',
      'nix_snapshotter_view_mounts 13',
      'nix_snapshotter_view_mode{mode="overlay"} 0',
      'nix_snapshotter_view_mode{mode="binds"} 1',
      'nix_snapshotter_nix_backend{backend="nix-store"} 1',
      'nix_snapshotter_ready 0',
      'nix_snapshotter_reconcile_problems 1',
      'nix_snapshotter_realises{state="running"} 1',
      'nix_snapshotter_realises{state="queued"} 2',
      'nix_snapshotter_realise_waiters 6',
    ])
      assert.ok(lines.includes(line), `${line} is not in ${lines.join('\n')}`);
    const free = lines.filter((line) => line.startsWith('nix_snapshotter_filesystem_free_bytes'));
    // A file system that does not answer has no figure.
    assert.equal(free.length, 1);
    assert.match(free[0] ?? '', /\{directory="store"\} [1-9]/);
  });
});
