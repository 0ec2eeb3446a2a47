import { ClosureReader } from '../closure/closure-of-layer.ts';
import type { Config } from '../config/schema.ts';
import { diffService } from '../diff/service.ts';
import { Holdings } from '../holdings/holdings.ts';
import { Background } from '../host/background.ts';
import { MemoryRelease } from '../host/memory-release.ts';
import type { Log } from '../log.ts';
import { RecordCopies } from '../metadata/record-copies.ts';
import { GatedQueue } from '../policy/gated-queue.ts';
import { repairService } from '../repair/service.ts';
import type { Endpoint } from '../rpc/socket.ts';
import { isExtraction } from '../snapshot/labels.ts';
import { Layout } from '../snapshot/layout.ts';
import { reconcile, type Reconciled } from '../snapshot/reconcile.ts';
import { snapshotsService } from '../snapshot/rpc.ts';
import type { OnBoundary } from '../snapshot/steps.ts';
import { UnpackGate } from '../snapshot/unpack-gate.ts';
import { Readiness } from '../status/readiness.ts';
import { statusService } from '../status/service.ts';
import type { Resolver } from '../store-image/resolver.ts';
import { openGcRoots } from './gc-roots.ts';
import { openNix } from './nix.ts';
import {
  imageResolver,
  imageService,
  nodeImages,
  observedMetrics,
  policyGate,
  startImageRegistry,
  startMetricsEndpoint,
} from './on-demand.ts';
import { openRoot } from './root-directory.ts';
import { openRpc } from './rpc.ts';
import { openSnapshots } from './snapshots.ts';

/**
 * Hundreds of containers need no collection; a burst beyond is followed by one as soon as it is over. Under load that does not end
 * resident memory stays below 150 MiB.
 */
const MEMORY = { calls: 5000, restMs: 500, highBytes: 120 * 1024 * 1024, everyMs: 3000 } as const;

/** How long Nix's answer counts, and how long it may take. */
const READINESS = { freshMs: 5000, patienceMs: 3000 } as const;

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
  const observed = await observedMetrics(config);
  const served = Promise.withResolvers<Resolver | undefined>();
  const isNeeded = async (root: string) => (await (await served.promise)?.isNeeded(root)) ?? false;
  const { nix, ungated } = openNix(config, { observed, isNeeded, log, undo });
  const background = new Background(log);
  undo.defer(() => background.drained());

  const realStoreDir = () => nix.realStoreDir();
  const closures = new ClosureReader({ realStoreDir });
  const snapshotRoots = await openGcRoots({ config, layout }, { ungated, realStoreDir, log, undo });
  const { retired, release } = snapshotRoots;
  const refused = observed?.refusal.bind(observed);
  const gate = undo.use(await policyGate(config, layout, { store: nix, release, observe: refused, log }));
  const queue = gate === undefined ? ungated : new GatedQueue({ queue: ungated, gate, store: nix });
  const { service, roots, views, cleanup, asked, digests, containerd, choice, helped } = await openSnapshots(
    { config, layout },
    { store, copies, nix, queue, closures, snapshotRoots, background, log, onBoundary, undo },
  );
  const reconciled: Reconciled = { problems: [], repairs: [...restored] };
  const observe = observed?.repaired.bind(observed);
  observe?.({ by: 'reconcile', what: 'metadata', count: restored.length });
  const restoring = new Background(log);
  const stop = new AbortController();
  undo.defer(() => {
    stop.abort();
    return restoring.drained();
  });
  const parts = { store, layout, roots, cleanup, log, observe };
  const stopping = stop.signal;
  const doReconcile = () => reconcile({ ...parts, views, restoring, stopping }, reconciled);
  await doReconcile();
  const repair = repairService(async (options) => {
    const { ContainerdSide } = await import('../repair/containerd-side.ts');
    const { repairState } = await import('../repair/repair.ts');
    const side = new ContainerdSide({ snapshotter: config.image_service.snapshotter }, { containerd, asked });
    return repairState(options, { ...parts, service, containerd: side, reconcile: doReconcile });
  });

  const readiness = undo.use(new Readiness(READINESS, { ask: (signal) => nix.answers(signal) }));
  const memory = undo.use(new MemoryRelease(MEMORY));
  const isInUse = roots.holds.bind(roots);
  const resolver = undo.use(
    await imageResolver(config, layout, { nix, queue, gate, closures, isInUse, observed, log }),
  );
  served.resolve(resolver);
  const images = await nodeImages(config, resolver);
  const inFlight = () => [...queue.inFlight(), ...(resolver?.inFlight() ?? [])];
  const holdings = new Holdings(
    { pulledRoots: layout.pulledRoots, views: [layout.views, layout.mapped] },
    { store, isContainer: ({ key, labels }) => !isExtraction(key, labels), roots, retired, helped },
  );
  const status = statusService({ config, holdings, readiness, inFlight, nix, view: choice, reconciled });
  const cri = undo.use(await imageService(config, { resolver, images, nix, log }));
  const rpc = openRpc(
    { maxWaiting: config.nix.max_waiting },
    {
      services: [
        snapshotsService(service, cleanup),
        diffService({ gate: new UnpackGate({ store, layout, roots }), containerd }),
        status,
        repair,
        ...(cri === undefined ? [] : [cri.implementation]),
      ],
      readiness,
      observe(record) {
        memory.called();
        observed?.rpc(record);
      },
      log,
      undo,
    },
  );
  await startImageRegistry(config, layout, {
    resolver,
    images,
    nix,
    closures,
    digests,
    observed,
    log,
    undo,
  });
  await startMetricsEndpoint(config, {
    root: config.root,
    holdings,
    inFlight,
    nix,
    view: choice,
    problems: reconciled.problems,
    store,
    whyNotReady: () => readiness.whyNot(),
    latestReadiness: () => readiness.latest(),
    closures,
    observed,
    log,
    undo,
  });
  await rpc.listen(endpoint);
  log.info({ root: config.root, endpoint, view: choice.current, store: config.nix.store }, 'ready');
  const running = undo.move();
  return { [Symbol.asyncDispose]: () => running.disposeAsync() };
}
