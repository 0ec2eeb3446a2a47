import type { RealiseInput } from '../../proto/gen/messages.ts';
import type { Config } from '../config/schema.ts';
import type { Holdings } from '../holdings/holdings.ts';
import { withoutCredentials } from '../nix/substituter-answers.ts';
import type { OpenNixStore } from '../nix/open-store.ts';
import type { RealiseInFlight } from '../nix/realise-job.ts';
import { implement, type Implementation } from '../rpc/implementation.ts';
import { status } from '../rpc/proto.ts';
import type { Reconciled } from '../snapshot/reconcile.ts';
import { VERSION } from '../version.ts';
import type { ViewChoice } from '../view/choice.ts';
import type { Readiness } from './readiness.ts';

export interface StatusDeps {
  readonly config: Config;
  readonly holdings: Pick<Holdings, 'census' | 'roots' | 'viewMounts'>;
  readonly readiness: Pick<Readiness, 'latest'>;
  /** What is realised or built now. */
  readonly inFlight: () => readonly RealiseInFlight[];
  readonly nix: Pick<OpenNixStore, 'realStoreDir' | 'backend'>;
  readonly view: ViewChoice;
  /** What the start could not repair, and what it did. */
  readonly reconciled: Reconciled;
}

/** `nix_snapshotter.v1.Status`: what the daemon holds and does. */
export function statusService(deps: StatusDeps): Implementation {
  const { config, holdings, readiness, inFlight, nix, view, reconciled } = deps;
  const startedAt = timestamp(Date.now());
  return implement(status, {
    async Status() {
      const [notReady, roots, mounts] = await Promise.all([
        readiness.latest(),
        holdings.roots(),
        holdings.viewMounts(),
      ]);
      const { kinds, degraded, layers, closures } = holdings.census();
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
        snapshots: {
          committed: BigInt(kinds.committed),
          active: BigInt(kinds.active),
          view: BigInt(kinds.view),
          degraded: BigInt(degraded),
        },
        nix_layers: BigInt(layers),
        closures: BigInt(closures),
        gc_roots: BigInt(roots.snapshot),
        pulled_gc_roots: BigInt(roots.pulled),
        retired_gc_roots: BigInt(roots.retired),
        view_mounts: BigInt(mounts),
        not_ready: notReady ?? '',
        realises: inFlight().map(realiseOf),
        problems: [...reconciled.problems],
        repairs: [...reconciled.repairs],
      };
    },
  });
}

function realiseOf(realise: RealiseInFlight): RealiseInput {
  const { paths, progress, startedAt, runningSince, speed, waiters, state } = realise;
  return {
    closure: paths[0] ?? '',
    paths: BigInt(paths.length),
    paths_done: BigInt(progress.pathsDone),
    paths_total: BigInt(progress.pathsTotal),
    bytes_done: BigInt(progress.bytesDone),
    bytes_total: BigInt(progress.bytesTotal),
    bytes_per_second: BigInt(Math.round(speed)),
    substituters: progress.substituters.map(withoutCredentials),
    started_at: timestamp(startedAt),
    running_since: runningSince === undefined ? null : timestamp(runningSince),
    waiters: BigInt(waiters),
    state: state === 'running' ? 'RUNNING' : 'QUEUED',
  };
}

function timestamp(milliseconds: number): { seconds: bigint; nanos: number } {
  const seconds = Math.floor(milliseconds / 1000);
  return { seconds: BigInt(seconds), nanos: (milliseconds - seconds * 1000) * 1e6 };
}
