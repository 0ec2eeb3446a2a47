import { existsSync } from 'node:fs';
import { ClosureCheck } from './closure/closure-check.ts';
import { ClosureReader } from './closure/closure-of-layer.ts';
import type { Config } from './config/schema.ts';
import { messageOf, StatusError } from './errors.ts';
import { Holdings } from './holdings/holdings.ts';
import { Background } from './host/background.ts';
import { systemClock } from './host/clock.ts';
import { makeDirectories } from './host/make-directories.ts';
import { MemoryRelease } from './host/memory-release.ts';
import { KeyedMutex } from './host/mutex.ts';
import { overlayOptions, supportsIdMappedOverlay, whyNoRedirects } from './host/overlay.ts';
import { removeTree } from './host/snapshot-directory.ts';
import type { ImageService } from './cri/open-image-service.ts';
import type { Log } from './log.ts';
import type { ObservedMetrics } from './metrics/observed.ts';
import { refuseGoRoot } from './metadata/go-root.ts';
import { openMetadata, type OpenMetadata, type OpenMetadataDeps } from './metadata/open-metadata.ts';
import { RecordCopies } from './metadata/record-copies.ts';
import { GcRoots } from './nix/gc-roots.ts';
import { nixOptions } from './nix/configured.ts';
import { openNixStore } from './nix/open-store.ts';
import { RealiseQueue } from './nix/realise-queue.ts';
import { RetiredRoots } from './nix/retired-roots.ts';
import { SpaceWatch } from './nix/space-watch.ts';
import type { NixStore } from './nix/store.ts';
import { configuredPolicy } from './policy/configured.ts';
import type { PolicyGate } from './policy/gate.ts';
import { GatedQueue } from './policy/gated-queue.ts';
import type { OpenGateDeps } from './policy/open-gate.ts';
import { diffService } from './diff/service.ts';
import { createRpcClient } from './rpc/client.ts';
import { createHealth } from './rpc/health.ts';
import { createRpcServer } from './rpc/server.ts';
import type { Endpoint } from './rpc/socket.ts';
import { repairService } from './repair/service.ts';
import { AskedNames } from './snapshot/asked-names.ts';
import { blobLookup } from './snapshot/blob-lookup.ts';
import { ChainView } from './snapshot/chain-view.ts';
import { Cleanup } from './snapshot/cleanup.ts';
import { Executor } from './snapshot/execute.ts';
import { KnownLayers } from './snapshot/known-layers.ts';
import { LayerRoots } from './snapshot/layer-roots.ts';
import { LayerViews } from './snapshot/layer-views.ts';
import { LayeredLayers } from './snapshot/layered-layers.ts';
import { greatestId } from './snapshot/greatest-id.ts';
import { isExtraction } from './snapshot/labels.ts';
import { Layout } from './snapshot/layout.ts';
import { reconcile, type Reconciled } from './snapshot/reconcile.ts';
import { ClosureRecovery } from './snapshot/recovery.ts';
import { snapshotsService } from './snapshot/rpc.ts';
import { SnapshotService } from './snapshot/service.ts';
import { SnapshotIds } from './snapshot/snapshot-ids.ts';
import type { OnBoundary } from './snapshot/steps.ts';
import { storedSubject } from './snapshot/subject.ts';
import { Readiness } from './status/readiness.ts';
import { statusService } from './status/service.ts';
import { openLayerDigests } from './store-image/open-layer-digests.ts';
import type { NodeImages } from './store-image/node-images.ts';
import type { ResolverParts } from './store-image/open-resolver.ts';
import type { Resolver } from './store-image/resolver.ts';
import { UnpackGate } from './snapshot/unpack-gate.ts';
import { ViewChoice } from './view/choice.ts';
import type { HelpedViews, HelpedViewsOptions } from './view/overlay/helped-views.ts';
import { helperAddress } from './view/overlay/helper-address.ts';
import { MappedViews } from './view/overlay/mapped-views.ts';
import { OverlayViews } from './view/overlay/overlay-views.ts';

/** How long calls that run may go on after a stop was asked for, in milliseconds. */
const DRAIN_MS = 10_000;

/** What was pulled is unpacked within seconds; what nobody has needed for longer may go when space is short, in milliseconds. */
const PULL_MS = 60_000;

/**
 * Hundreds of containers need no collection; a burst beyond is followed by one as soon as it is over. Under load that does not end
 * resident memory stays below 150 MiB.
 */
const MEMORY = { calls: 5000, restMs: 500, highBytes: 120 * 1024 * 1024, everyMs: 10_000 } as const;

/** Calls of one connection that may run beside those that wait for Nix; each takes some tens of kilobytes. */
const OTHER_CALLS = 1000;

/** How long Nix's answer counts, and how long it may take. */
const READINESS = { freshMs: 5000, patienceMs: 3000 } as const;
/** Serves as soon as state is reconciled: a probe that restarts the daemon must not do so because of Nix. */
const STATUS_SERVICE = 'nix_snapshotter.v1.Status';

export interface DaemonOptions {
  readonly config: Config;
  readonly endpoint: Endpoint;
}

export interface DaemonDeps {
  readonly log: Log;
  /** Nobody listens in the program; tests kill the process at each boundary. */
  readonly onBoundary?: OnBoundary;
}

/**
 * Starts the daemon: state first, reconcile, then the socket; it answers and is healthy when this returns.
 * Disposing of it drains the calls and deletes nothing.
 *
 * @throws StatusError FailedPrecondition when the root cannot be used, is in use or is the Go version's, or the socket is in use.
 */
export async function startDaemon(
  { config, endpoint }: DaemonOptions,
  { log, onBoundary }: DaemonDeps,
): Promise<AsyncDisposable> {
  await using undo = new AsyncDisposableStack();
  const layout = new Layout(config.root);
  const copies = new RecordCopies({ snapshots: layout.snapshots });
  const { store, repairs: restored } = await openRoot(layout, { copies, log });
  undo.use(store);
  const observed = config.metrics.address === undefined ? undefined : await observedMetrics();
  const onCollection = observed?.collection.bind(observed);
  const nix = undo.use(openNixStore(nixOptions(config), { log, env: process.env, onCollection }));
  const served = Promise.withResolvers<Resolver | undefined>();
  const isNeeded = async (root: string) => (await (await served.promise)?.isNeeded(root)) ?? false;
  const ungated = new RealiseQueue(
    {
      concurrency: config.nix.concurrency,
      long: config.nix.concurrency,
      maxWaiting: config.nix.max_waiting,
      graceMs: config.gc.grace,
    },
    { store: nix, log, observer: observed?.observer('realise'), isNeeded },
  );
  undo.defer(() => ungated.close());
  const background = new Background(log);
  undo.defer(() => background.drained());

  const realStoreDir = () => nix.realStoreDir();
  const closures = new ClosureReader({ realStoreDir });
  const gcRoots = new GcRoots({ directory: layout.gcRoots });
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
  const gate = undo.use(await policyGate(config, layout, { store: nix, release, log }));
  const queue = gate === undefined ? ungated : new GatedQueue({ queue: ungated, gate, store: nix });
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
  const helper = helperAddress(config.view_helper.address);
  const choice = new ViewChoice(
    {
      configured: config.view,
      cannotOverlay: helper === undefined ? whyNoRedirects() : undefined,
      maker: helper === undefined ? undefined : `the view helper on ${helper}`,
    },
    { log },
  );
  const overlays =
    helper === undefined
      ? new OverlayViews({ directory: layout.views }, { realStoreDir, log })
      : undo.use(
          await helpedViews({ address: helper, cover: layout.viewCover }, { choice, realStoreDir, log }),
        );
  const mappedViews = new MappedViews({ directory: layout.mapped, root: layout.root }, { realStoreDir });
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
  const reconciled: Reconciled = { problems: [], repairs: [...restored] };
  const doReconcile = () => reconcile({ store, layout, roots, cleanup, views, background, log }, reconciled);
  await doReconcile();
  const repair = repairService(async (options) => {
    const { ContainerdSide } = await import('./repair/containerd-side.ts');
    const { repairState } = await import('./repair/repair.ts');
    const side = new ContainerdSide({ snapshotter: config.image_service.snapshotter }, { containerd, asked });
    const parts = { store, layout, roots, service, cleanup, containerd: side, reconcile: doReconcile, log };
    return repairState(options, parts);
  });

  const readiness = undo.use(new Readiness(READINESS, { ask: (signal) => nix.answers(signal) }));
  const health = createHealth(readiness, new Set([STATUS_SERVICE]));
  const diff = diffService({ gate: new UnpackGate({ store, layout, roots }), containerd });
  const memory = undo.use(new MemoryRelease(MEMORY));
  const usesResolver = config.resolver.address !== undefined || config.image_service.enable;
  const isInUse: ResolverParts['isInUse'] = (closure) => roots.holds(closure);
  const resolver = usesResolver
    ? undo.use(await resolverOf(config, layout, { nix, queue, gate, closures, isInUse, log }, observed))
    : undefined;
  served.resolve(resolver);
  const images = resolver === undefined ? undefined : await nodeImages(config, resolver);
  const inFlight = () => [...queue.inFlight(), ...(resolver?.inFlight() ?? [])];
  const holdings = new Holdings(
    { pulledRoots: layout.pulledRoots, views: [layout.views, layout.mapped] },
    {
      store,
      isContainer: ({ key, labels }) => !isExtraction(key, labels),
      roots,
      retired,
      helped: overlays instanceof OverlayViews ? undefined : overlays,
    },
  );
  const status = statusService({ config, holdings, readiness, inFlight, nix, view: choice, reconciled });
  const imageService =
    resolver !== undefined && images !== undefined && config.image_service.enable
      ? undo.use(await imageServiceOf(config, { resolver, images, nix, log }))
      : undefined;
  const optional = imageService === undefined ? [] : [imageService.implementation];
  const server = createRpcServer({
    services: [snapshotsService(service, cleanup), diff, status, repair, health.implementation, ...optional],
    log,
    maxCalls: config.nix.max_waiting + OTHER_CALLS,
    observe: (record) => {
      memory.called();
      observed?.rpc(record);
    },
  });
  undo.defer(async () => {
    health.shutDown();
    await server.close({ drainMs: DRAIN_MS });
  });
  if (config.resolver.address !== undefined && resolver !== undefined && images !== undefined) {
    const { address, deadline: deadlineMs } = config.resolver;
    const { startRegistry } = await import('./resolver/start.ts');
    const { OrdinaryLayers } = await import('./store-image/ordinary-layers.ts');
    const layers = undo.use(new OrdinaryLayers({ resolver, nix, closures, digests, log }));
    undo.use(
      await startRegistry(
        { address, deadlineMs, tokenFile: layout.resolverToken },
        { resolver: images, layers, log },
      ),
    );
  }
  if (config.metrics.address !== undefined && observed !== undefined) {
    const { startMetrics } = await import('./metrics/start.ts');
    const { problems } = reconciled;
    const state = { root: config.root, holdings, inFlight, nix, view: choice, problems, store };
    const whyNotReady = () => readiness.whyNot();
    const latestReadiness = () => readiness.latest();
    const probes = { whyNotReady, latestReadiness };
    undo.use(await startMetrics(config.metrics.address, { ...state, ...probes, closures, observed, log }));
  }
  health.set('', 'SERVING');
  health.set(STATUS_SERVICE, 'SERVING');
  health.set('containerd.services.snapshots.v1.Snapshots', 'SERVING');
  await server.listen(endpoint);
  log.info({ root: config.root, endpoint, view: choice.current, store: config.nix.store }, 'ready');
  const running = undo.move();
  return { [Symbol.asyncDispose]: () => running.disposeAsync() };
}

async function observedMetrics(): Promise<ObservedMetrics> {
  const { ObservedMetrics: Observed } = await import('./metrics/observed.ts');
  return new Observed();
}

/** What all doors ask before they realise; undefined where the configuration lets everything in. */
async function policyGate(
  config: Config,
  { gcRoots, pulledRoots }: Layout,
  deps: OpenGateDeps,
): Promise<PolicyGate | undefined> {
  const options = configuredPolicy(config);
  if (options === undefined) return undefined;
  const { openGate } = await import('./policy/open-gate.ts');
  deps.log.info({ rules: options.rules.length, default: options.default }, 'a policy is in force');
  return openGate({ ...options, roots: [gcRoots, pulledRoots] }, deps);
}

async function resolverOf(
  config: Config,
  { pulledRoots }: Layout,
  deps: Omit<ResolverParts, 'builder' | 'lookup' | 'observer'>,
  observed: ObservedMetrics | undefined,
): Promise<Resolver> {
  const { openResolver } = await import('./store-image/open-resolver.ts');
  const { CacheLookup } = await import('./nix/cache-lookup.ts');
  const { DerivationBuilder } = await import('./nix/derivation-builder.ts');
  const { deadline: deadlineMs, build, build_timeout: timeoutMs } = config.resolver;
  const setup = { deadlineMs, build, graceMs: config.gc.grace, roots: pulledRoots };
  const builder = new DerivationBuilder(
    { ...nixOptions(config), timeoutMs },
    { ...deps, env: process.env, onCollection: observed?.collection.bind(observed) },
  );
  const lookup = new CacheLookup(nixOptions(config), process);
  return await openResolver(setup, { ...deps, builder, lookup, observer: observed?.observer('build') });
}

async function nodeImages(config: Config, resolver: Resolver): Promise<NodeImages> {
  const { NodeImages: Images } = await import('./store-image/node-images.ts');
  const { CacheLookup } = await import('./nix/cache-lookup.ts');
  return new Images({ resolver, lookup: new CacheLookup(nixOptions(config), process) });
}

/** Without a helper's socket binds are chosen at once, not by the first container. */
async function helpedViews(
  options: HelpedViewsOptions,
  deps: { readonly choice: ViewChoice; readonly realStoreDir: () => Promise<string>; readonly log: Log },
): Promise<HelpedViews> {
  const { openHelpedViews } = await import('./view/overlay/open-helped-views.ts');
  const { address } = options;
  if (deps.choice.mayFallBack && !existsSync(address))
    deps.choice.refused(`${whyNoRedirects()}, and no view helper listens on ${address}`);
  return openHelpedViews(options, deps);
}

async function imageServiceOf(
  { image_service: service, containerd_address: containerd }: Config,
  deps: {
    readonly resolver: Resolver;
    readonly images: NodeImages;
    readonly nix: NixStore;
    readonly log: Log;
  },
): Promise<ImageService> {
  const { openImageService } = await import('./cri/open-image-service.ts');
  const { containerd_address: address = containerd, snapshotter } = service;
  return openImageService({ address, snapshotter }, deps);
}

async function openRoot(layout: Layout, deps: OpenMetadataDeps): Promise<OpenMetadata> {
  try {
    refuseGoRoot(layout.root);
    for (const directory of [layout.root, layout.metadata, layout.snapshots, layout.gcRoots]) {
      await makeDirectories(directory, 0o700);
    }
    const minimumId = await greatestId(layout);
    return await openMetadata({ directory: layout.metadata, minimumId }, deps);
  } catch (error) {
    if (error instanceof StatusError) throw error;
    throw new StatusError(
      'FailedPrecondition',
      `root ${layout.root} cannot be used: ${messageOf(error)}; make it writable or choose another --root`,
      { cause: error },
    );
  }
}
