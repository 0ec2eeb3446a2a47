import type { Config } from '../config/schema.ts';
import type { SnapshotKind } from '../metadata/schema.ts';
import type { MetadataStore } from '../metadata/store.ts';
import type { OpenNixStore } from '../nix/open-store.ts';
import type { RealiseInFlight } from '../nix/realise-job.ts';
import { implement, type Implementation } from '../rpc/implementation.ts';
import { status } from '../rpc/proto.ts';
import { VERSION } from '../version.ts';
import type { ViewChoice } from '../view/choice.ts';

export interface StatusDeps {
  readonly config: Config;
  readonly store: MetadataStore;
  readonly roots: { readonly count: number };
  readonly retired: { readonly count: number };
  /** What is realised or built now. */
  readonly inFlight: () => readonly RealiseInFlight[];
  readonly nix: Pick<OpenNixStore, 'realStoreDir' | 'backend'>;
  readonly view: ViewChoice;
  /** What reconcile could not repair. */
  readonly problems: readonly string[];
}

/** `nix_snapshotter.v1.Status`: what the daemon holds and does. */
export function statusService(deps: StatusDeps): Implementation {
  const { config, store, roots, retired, inFlight, nix, view, problems } = deps;
  const startedAt = timestamp(Date.now());
  return implement(status, {
    async Status() {
      return {
        version: VERSION,
        started_at: startedAt,
        pid: BigInt(process.pid),
        root: config.root,
        address: config.address,
        nix_store: {
          uri: config.nix.store,
          real_dir: await nix.realStoreDir(),
          backend: nix.backend.name,
          backend_reason: nix.backend.reason,
        },
        view: view.describe(),
        ...snapshotCounts(store),
        gc_roots: BigInt(roots.count),
        retired_gc_roots: BigInt(retired.count),
        realises: inFlight().map((realise) => ({
          closure: realise.paths[0] ?? '',
          paths: BigInt(realise.paths.length),
          paths_done: BigInt(realise.progress?.pathsDone ?? 0),
          paths_total: BigInt(realise.progress?.pathsTotal ?? 0),
          bytes_done: BigInt(realise.progress?.bytesDone ?? 0),
          bytes_total: BigInt(realise.progress?.bytesTotal ?? 0),
          substituters: realise.progress?.substituters ?? [],
          started_at: timestamp(realise.startedAt),
          waiters: BigInt(realise.waiters),
          state: realise.state === 'running' ? 'RUNNING' : 'QUEUED',
        })),
        problems,
      };
    },
  });
}

function snapshotCounts(store: MetadataStore) {
  const counts: Record<SnapshotKind, bigint> = { active: 0n, view: 0n, committed: 0n };
  let layers = 0n;
  for (const record of store.list()) {
    counts[record.kind] += 1n;
    if (record.closure !== undefined) layers += 1n;
  }
  return { snapshots: { ...counts, degraded: BigInt(store.degraded().length) }, nix_layers: layers };
}

function timestamp(milliseconds: number): { seconds: bigint; nanos: number } {
  const seconds = Math.floor(milliseconds / 1000);
  return { seconds: BigInt(seconds), nanos: (milliseconds - seconds * 1000) * 1e6 };
}
