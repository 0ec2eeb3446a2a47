import { ClosureCheck } from '../closure/closure-check.ts';
import type { ClosureReader } from '../closure/closure-of-layer.ts';
import type { Config } from '../config/schema.ts';
import type { Background } from '../host/background.ts';
import { systemClock } from '../host/clock.ts';
import { KeyedMutex } from '../host/mutex.ts';
import { overlayOptions, supportsIdMappedOverlay } from '../host/overlay.ts';
import { removeTree } from '../host/snapshot-directory.ts';
import type { Log } from '../log.ts';
import type { RecordCopies } from '../metadata/record-copies.ts';
import type { MetadataStore } from '../metadata/store.ts';
import type { NixStore } from '../nix/store.ts';
import type { AdmittingQueue } from '../policy/gated-queue.ts';
import { createRpcClient, type RpcClient } from '../rpc/client.ts';
import { AskedNames } from '../snapshot/asked-names.ts';
import { blobLookup } from '../snapshot/blob-lookup.ts';
import { ChainView } from '../snapshot/chain-view.ts';
import { Cleanup } from '../snapshot/cleanup.ts';
import { Executor } from '../snapshot/execute.ts';
import { KnownLayers } from '../snapshot/known-layers.ts';
import { LayerRoots } from '../snapshot/layer-roots.ts';
import { LayerViews } from '../snapshot/layer-views.ts';
import { LayeredLayers } from '../snapshot/layered-layers.ts';
import type { Layout } from '../snapshot/layout.ts';
import { ClosureRecovery } from '../snapshot/recovery.ts';
import { SnapshotService } from '../snapshot/service.ts';
import { SnapshotIds } from '../snapshot/snapshot-ids.ts';
import type { OnBoundary } from '../snapshot/steps.ts';
import { storedSubject } from '../snapshot/subject.ts';
import { openLayerDigests } from '../store-image/open-layer-digests.ts';
import type { SnapshotRoots } from './gc-roots.ts';
import { openViews, type Views } from './views.ts';

export interface SnapshotsOptions {
  readonly config: Config;
  readonly layout: Layout;
}

export interface SnapshotsDeps {
  readonly store: MetadataStore;
  readonly copies: RecordCopies;
  readonly nix: NixStore;
  readonly queue: AdmittingQueue;
  readonly closures: ClosureReader;
  readonly snapshotRoots: SnapshotRoots;
  readonly background: Background;
  readonly log: Log;
  readonly onBoundary: OnBoundary | undefined;
  /** Disposes of what is made here. */
  readonly undo: AsyncDisposableStack;
}

/** The snapshots service, and those of its parts that others ask. */
export interface Snapshots extends Pick<Views, 'choice' | 'helped'> {
  readonly service: SnapshotService;
  readonly roots: LayerRoots;
  readonly views: LayerViews;
  readonly cleanup: Cleanup;
  readonly asked: AskedNames;
  readonly digests: ReturnType<typeof openLayerDigests>;
  /** A client of containerd, which need not be there yet. */
  readonly containerd: RpcClient;
}

/** Makes the snapshots service on metadata that is open; it may be asked once reconcile is through. */
export async function openSnapshots(
  { config, layout }: SnapshotsOptions,
  deps: SnapshotsDeps,
): Promise<Snapshots> {
  const { store, copies, nix, queue, closures, background, log, onBoundary, undo } = deps;
  const { gcRoots, rooted, retired } = deps.snapshotRoots;
  const realStoreDir = () => nix.realStoreDir();
  const roots = new LayerRoots(
    { deadlineMs: config.prepare.deadline, rooted },
    {
      queue,
      gcRoots,
      retired,
      check: new ClosureCheck({ closures, store: nix }),
      subjectOf: (id) => storedSubject(store, id),
      log,
    },
  );
  const ids = new SnapshotIds(store);
  const asked = new AskedNames();
  const mutex = new KeyedMutex();
  const containerd = undo.use(createRpcClient({ address: config.containerd_address }));
  const { choice, overlays, helped, mappedViews } = await openViews(
    { config, layout },
    { realStoreDir, log, undo },
  );
  const chainView = new ChainView({ layout, roots, closures, choice, overlays, mappedViews, nix });
  const views = new LayerViews({ store, chainView, overlays, mappedViews, log });
  const executor = new Executor({
    layout,
    store,
    copies,
    roots,
    views,
    mutex,
    background,
    removeTree,
    log,
    onBoundary,
  });
  const cleanup = new Cleanup({ ids, layout, roots, views, background, executor, log });
  const digests = undo.use(openLayerDigests({ directory: layout.layerDigests, realStoreDir }, { log }));
  const service = new SnapshotService({
    store,
    ids,
    layout,
    mutex,
    wait: config.prepare.wait,
    clock: systemClock(),
    features: {
      overlayOptions: await overlayOptions(layout.snapshots),
      remapIds: supportsIdMappedOverlay(),
    },
    executor,
    view: chainView,
    known: new KnownLayers({ closures, realStoreDir, choice, hasBlob: blobLookup(containerd), log }),
    layered: new LayeredLayers(
      { wait: config.prepare.wait, deadlineMs: config.prepare.deadline },
      { closures, roots, digests, realStoreDir, log },
    ),
    asked,
    recovery: new ClosureRecovery({ enabled: config.recover === 'auto' }, { layout, closures, log }),
  });
  return { service, roots, views, cleanup, asked, digests, containerd, choice, helped };
}
