import { mkdir, readdir, rm, symlink } from 'node:fs/promises';
import type { StorePath } from '../../../src/closure/store-path.ts';
import { ClosureCheck } from '../../../src/closure/closure-check.ts';
import { ClosureReader } from '../../../src/closure/closure-of-layer.ts';
import { Background } from '../../../src/host/background.ts';
import { KeyedMutex } from '../../../src/host/mutex.ts';
import { removeTree } from '../../../src/host/snapshot-directory.ts';
import { silentLog } from '../../../src/log.ts';
import { openMetadata } from '../../../src/metadata/open-metadata.ts';
import { RecordCopies } from '../../../src/metadata/record-copies.ts';
import { GcRoots } from '../../../src/nix/gc-roots.ts';
import { RetiredRoots } from '../../../src/nix/retired-roots.ts';
import { RealiseQueue } from '../../../src/nix/realise-queue.ts';
import type { NixStore, ReferenceGraph } from '../../../src/nix/store.ts';
import { Cleanup } from '../../../src/snapshot/cleanup.ts';
import { Executor } from '../../../src/snapshot/execute.ts';
import { LayerRoots } from '../../../src/snapshot/layer-roots.ts';
import type { LayerViews } from '../../../src/snapshot/layer-views.ts';
import { Layout } from '../../../src/snapshot/layout.ts';
import { reconcile, type Reconciled } from '../../../src/snapshot/reconcile.ts';
import type { OnRepaired, Repaired } from '../../../src/snapshot/repaired.ts';
import { greatestId } from '../../../src/snapshot/greatest-id.ts';
import { SnapshotIds } from '../../../src/snapshot/snapshot-ids.ts';

/** A Nix store that has every path; `refuse` makes it fail. Its roots are links on disk, as Nix's are. */
export class LinkingNixStore implements NixStore {
  realStoreDir = () => Promise.resolve('/nix/store');
  refuse: Error | undefined;

  async realise(paths: readonly StorePath[], root: string): Promise<void> {
    if (this.refuse !== undefined) throw this.refuse;
    await rm(root, { force: true });
    await symlink(paths[0] ?? '', root);
  }

  valid(paths: readonly StorePath[]): Promise<ReadonlySet<StorePath>> {
    return Promise.resolve(new Set(paths));
  }

  closure(paths: readonly StorePath[]): Promise<readonly StorePath[]> {
    return Promise.resolve(paths);
  }

  references(path: StorePath): Promise<ReadonlySet<StorePath>> {
    return Promise.resolve(new Set([path]));
  }

  referenceGraph(paths: readonly StorePath[]): Promise<ReferenceGraph> {
    return Promise.resolve(new Map(paths.map((path) => [path, [path]])));
  }

  removeRoot(root: string): Promise<void> {
    return rm(root, { force: true });
  }
}

/** The daemon's state below a root: metadata, directories, GC roots, and what works on them. */
export type State = Awaited<ReturnType<typeof openState>>;

/**
 * Opens what `startDaemon` opens, on a real LevelDB and real directories, without the socket and without Nix.
 *
 * @param graceMs how long roots are kept after their last use.
 */
export async function openState(root: string, graceMs = 0) {
  const layout = new Layout(root);
  for (const directory of [layout.snapshots, layout.gcRoots]) await mkdir(directory, { recursive: true });
  const copies = new RecordCopies({ snapshots: layout.snapshots });
  const { store, repairs: restored } = await openMetadata(
    { directory: layout.metadata, minimumId: await greatestId(layout) },
    { copies, log: silentLog },
  );
  const nix = new LinkingNixStore();
  const queue = new RealiseQueue(
    { concurrency: 2, long: 0, maxWaiting: 100, graceMs: 60_000 },
    { store: nix, log: silentLog },
  );
  const gcRoots = new GcRoots({ directory: layout.gcRoots });
  const closures = new ClosureReader({ realStoreDir: nix.realStoreDir });
  const check = new ClosureCheck({ closures, store: nix });
  const rooted = (await gcRoots.list()).filter((id) => gcRoots.has(id));
  const retired = new RetiredRoots({ graceMs }, { gcRoots, retired() {}, log: silentLog });
  const roots = new LayerRoots(
    { deadlineMs: 60_000, rooted },
    { queue, gcRoots, retired, check, log: silentLog },
  );
  const background = new Background(silentLog);
  const restoring = new Background(silentLog);
  const stopping = new AbortController();
  const mutex = new KeyedMutex();
  const ids = new SnapshotIds(store);
  const disk = { removeTree };
  // Views are mounts: test/integration has them.
  const views: Pick<LayerViews, 'warmLater' | 'restore' | 'collect'> = {
    warmLater: () => Promise.resolve(),
    restore: () => Promise.resolve(0),
    collect: () => Promise.resolve([]),
  };
  const executor = new Executor({
    layout,
    store,
    copies,
    roots,
    views,
    mutex,
    background,
    removeTree: (directory) => disk.removeTree(directory),
    log: silentLog,
  });
  const cleanup = new Cleanup({ ids, layout, roots, views, background, executor, log: silentLog });
  const repaired: Repaired[] = [];
  const reconciled = async (): Promise<Reconciled> => {
    const found: Reconciled = { problems: [], repairs: [...restored] };
    const observe: OnRepaired = (each) => void repaired.push(each);
    const parts = { store, layout, roots, cleanup, views, log: silentLog, observe };
    await reconcile({ ...parts, restoring, stopping: stopping.signal }, found);
    return found;
  };
  return {
    layout,
    store,
    nix,
    queue,
    gcRoots,
    roots,
    retired,
    background,
    disk,
    views,
    ids,
    cleanup,
    executor,
    reconciled: () => reconciled(),
    /** What reconcile has told of repairs. */
    repaired,
    /** What could not be repaired. */
    reconcile: async () => (await reconciled()).problems,
    /** Resolves when nothing goes on in the background. */
    async idle(): Promise<void> {
      while (queue.inFlight().length > 0) await new Promise(setImmediate);
      await restoring.drained();
      await background.drained();
    },
    async [Symbol.asyncDispose](): Promise<void> {
      stopping.abort();
      await restoring.drained();
      await background.drained();
      await queue.close();
      retired.close();
      await store[Symbol.asyncDispose]();
    },
  };
}

/** What is on disk and in the metadata, for comparing. */
export interface Picture {
  readonly snapshots: readonly { readonly key: string; readonly id: number; readonly kind: string }[];
  readonly directories: readonly string[];
  readonly roots: readonly string[];
}

export async function pictureOf({ store, layout }: State): Promise<Picture> {
  const byName = (one: string, other: string) => one.localeCompare(other, 'en', { numeric: true });
  return {
    snapshots: store
      .list()
      .map(({ key, id, kind }) => ({ key, id, kind }))
      .toSorted((one, other) => one.id - other.id),
    directories: (await readdir(layout.snapshots)).toSorted(byName),
    roots: (await readdir(layout.gcRoots)).toSorted(byName),
  };
}

/** What the directories and roots must be, by the metadata alone. */
export function consistent({ store }: State): Omit<Picture, 'snapshots'> {
  const records = store.list().toSorted((one, other) => one.id - other.id);
  return {
    directories: records.map(({ id }) => String(id)),
    roots: records.filter(({ closure }) => closure !== undefined).map(({ id }) => String(id)),
  };
}
