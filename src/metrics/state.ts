import type { Holdings } from '../holdings/holdings.ts';
import { diskSpace } from '../host/disk-space.ts';
import type { OpenNixStore } from '../nix/open-store.ts';
import type { RealiseInFlight } from '../nix/realise-job.ts';
import { VERSION } from '../version.ts';
import type { ViewChoice } from '../view/choice.ts';
import { METRICS, type MetricDefinition } from './definitions.ts';
import { type Family, family } from './samples.ts';

export interface StateDeps {
  /** The daemon's directory. */
  readonly root: string;
  readonly holdings: Pick<Holdings, 'census' | 'roots' | 'viewMounts'>;
  /** Why the daemon is not ready, as far as is known. */
  readonly latestReadiness: () => Promise<string | undefined>;
  readonly inFlight: () => readonly RealiseInFlight[];
  readonly nix: Pick<OpenNixStore, 'realStoreDir' | 'backend'>;
  readonly view: Pick<ViewChoice, 'current'>;
  /** What reconcile could not repair. */
  readonly problems: readonly string[];
}

/** How long the file systems may take to answer, in milliseconds. */
const DISK_PATIENCE_MS = 1000;
const BACKENDS = ['daemon', 'nix-store'];
const VIEWS = ['overlay', 'binds', 'store'];

/** Metrics of what there is now: read at each scrape. Nix is asked whether it answers, and not waited for. */
export async function stateFamilies(deps: StateDeps): Promise<readonly Family[]> {
  const { root, holdings, latestReadiness, inFlight, nix, view, problems } = deps;
  const realises = inFlight();
  const running = realises.filter(({ state }) => state === 'running').length;
  const waiters = realises.reduce((sum, each) => sum + each.waiters, 0);
  const directories = { store: await nix.realStoreDir(), root };
  const [notReady, roots, mounts, ...spaces] = await Promise.all([
    latestReadiness(),
    holdings.roots(),
    holdings.viewMounts(),
    ...Object.entries(directories).map(async ([directory, path]) => ({
      directory,
      space: await diskSpace(path, DISK_PATIENCE_MS),
    })),
  ]);
  const disks = spaces.flatMap(({ directory, space }) =>
    space === undefined ? [] : [{ directory, ...space }],
  );
  const { kinds, degraded, containers, shown, layers, closures } = holdings.census();
  return [
    family(METRICS.build, [[1, { version: VERSION, node_version: process.versions.node }]]),
    family(
      METRICS.view,
      VIEWS.map((mode) => [mode === view.current ? 1 : 0, { mode }]),
    ),
    family(
      METRICS.backend,
      BACKENDS.map((backend) => [backend === nix.backend.name ? 1 : 0, { backend }]),
    ),
    single(METRICS.ready, notReady === undefined ? 1 : 0),
    single(METRICS.problems, problems.length),
    counted(METRICS.realises, 'state', { running, queued: realises.length - running }),
    single(METRICS.waiters, waiters),
    counted(METRICS.snapshots, 'kind', kinds),
    single(METRICS.degraded, degraded),
    counted(METRICS.containers, 'image', containers),
    counted(METRICS.shown, 'view', shown),
    single(METRICS.layers, layers),
    single(METRICS.closures, closures),
    counted(METRICS.roots, 'kind', { ...roots }),
    single(METRICS.mounts, mounts),
    family(
      METRICS.free,
      disks.map(({ directory, free }) => [free, { directory }]),
    ),
    family(
      METRICS.size,
      disks.map(({ directory, size }) => [size, { directory }]),
    ),
  ];
}

function single(definition: MetricDefinition<never>, value: number): Family {
  return family(definition, [[value, {}]]);
}

/** Counts by the values of the one label. */
function counted<Label extends string>(
  definition: MetricDefinition<Label>,
  label: Label,
  counts: Readonly<Record<string, number>>,
): Family {
  return family(
    definition,
    Object.entries(counts).map(([name, count]) => [count, { [label]: name } as Record<Label, string>]),
  );
}
