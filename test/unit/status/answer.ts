import type { StatusResponse } from '../../../proto/gen/messages.ts';

export const CLOSURE = `/nix/store/${'a'.repeat(32)}-closure-info`;
export const MIB = 1024n * 1024n;

/** What a daemon answers that has something of everything. */
export function statusAnswer(): StatusResponse {
  return {
    version: '1',
    started_at: { seconds: 50n, nanos: 0 },
    pid: 7n,
    root: '/root',
    address: '/run/x.sock',
    nix_store: { uri: 'auto', real_dir: '/nix/store', backend: 'daemon', backend_reason: 'default' },
    view: { mode: 'overlay', reason: 'default' },
    snapshots: { committed: 5n, active: 4n, view: 2n, degraded: 1n },
    nix_layers: 8n,
    closures: 6n,
    gc_roots: 9n,
    pulled_gc_roots: 10n,
    retired_gc_roots: 11n,
    view_mounts: 3n,
    not_ready: '',
    realises: [
      {
        closure: CLOSURE,
        paths: 3n,
        paths_done: 4n,
        paths_total: 40n,
        bytes_done: 30n * MIB,
        bytes_total: 120n * MIB,
        bytes_per_second: (25n * MIB) / 10n,
        substituters: ['https://cache.example'],
        started_at: { seconds: 90n, nanos: 0 },
        running_since: { seconds: 100n, nanos: 0 },
        waiters: 2n,
        state: 'RUNNING',
      },
    ],
    problems: ['one'],
    repairs: [],
  };
}
