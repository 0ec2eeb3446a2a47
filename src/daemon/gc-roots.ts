import type { Config } from '../config/schema.ts';
import type { Log } from '../log.ts';
import { GcRoots } from '../nix/gc-roots.ts';
import type { RealiseQueue } from '../nix/realise-queue.ts';
import { RetiredRoots } from '../nix/retired-roots.ts';
import { SpaceWatch } from '../nix/space-watch.ts';
import type { Layout } from '../snapshot/layout.ts';

/** What was pulled is unpacked within seconds; what nobody has needed for longer may go when space is short, in milliseconds. */
const PULL_MS = 60_000;

export interface SnapshotRootsOptions {
  readonly config: Config;
  readonly layout: Layout;
}

export interface SnapshotRootsDeps {
  readonly ungated: Pick<RealiseQueue, 'releaseOld'>;
  readonly realStoreDir: () => Promise<string>;
  readonly log: Log;
  /** Disposes of what is made here. */
  readonly undo: AsyncDisposableStack;
}

/** The GC roots of snapshots, those that are kept for snapshots that are gone, and what lets go of roots when space is short. */
export interface SnapshotRoots {
  readonly gcRoots: GcRoots;
  /** The snapshots that had one when the daemon was started. */
  readonly rooted: readonly number[];
  readonly retired: RetiredRoots;
  /** Removes the roots that nobody needs now, and says how many there were. */
  readonly release: () => Promise<number>;
}

/** Removes what a kill left of roots, reads which snapshots have one, and begins to watch the store's space. */
export async function openGcRoots(
  { config, layout }: SnapshotRootsOptions,
  { ungated, realStoreDir, log, undo }: SnapshotRootsDeps,
): Promise<SnapshotRoots> {
  const gcRoots = new GcRoots({ directory: layout.gcRoots });
  await gcRoots.removeDrafts();
  const rooted = (await gcRoots.list()).filter((id) => gcRoots.has(id));
  const release = async () => (await retired.releaseAll()) + (await ungated.releaseOld(PULL_MS));
  const space = undo.use(
    new SpaceWatch({ minFreePercent: config.gc.min_free_percent }, { realStoreDir, release, log }),
  );
  const retired = new RetiredRoots(
    { graceMs: config.gc.grace },
    { gcRoots, retired: () => void space.look(), log },
  );
  undo.defer(() => retired.close());
  space.start();
  return { gcRoots, rooted, retired, release };
}
