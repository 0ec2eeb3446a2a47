import { existsSync } from 'node:fs';
import pLimit from 'p-limit';
import { messageOf, StatusError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { LevelStore } from '../metadata/level-store.ts';
import type { Cleanup } from '../snapshot/cleanup.ts';
import type { LayerRoots } from '../snapshot/layer-roots.ts';
import type { Layout } from '../snapshot/layout.ts';
import type { OnRepaired, Repaired } from '../snapshot/repaired.ts';
import type { SnapshotService } from '../snapshot/service.ts';
import type { ContainerdSide } from './containerd-side.ts';
import type { RepairFacts } from './facts.ts';
import { mountedDirectories } from './mounted-directories.ts';
import { describeStep, planRepair, type RepairStep } from './plan.ts';

export interface RepairDeps {
  readonly store: LevelStore;
  readonly layout: Layout;
  readonly roots: LayerRoots;
  readonly service: Pick<SnapshotService, 'remove'>;
  readonly cleanup: Cleanup;
  readonly containerd: Pick<ContainerdSide, 'wantedKeys' | 'forget' | 'collect' | 'unpackedImages'>;
  /** Looks again at what a start looks at. */
  readonly reconcile: () => Promise<void>;
  readonly log: Log;
  /** Told of each repair. */
  readonly observe?: OnRepaired | undefined;
}

/** What a repair came to. */
export interface RepairReport {
  readonly actions: readonly { readonly what: string; readonly error: string }[];
  readonly left: readonly string[];
  readonly pull_again: readonly string[];
}

/** How many closures are waited for at a time; Nix is asked about as many as the realise queue lets through. */
const ROOTED_AT_A_TIME = 100;

type StepOf<T extends RepairStep['type']> = Extract<RepairStep, { type: T }>;
type Executors = { readonly [T in RepairStep['type']]: (step: StepOf<T>) => Promise<void> };

export interface RepairOptions {
  /** Only say what would be done. */
  readonly dryRun: boolean;
  /** Numbers of directories in use by mounts that this process may not see. */
  readonly mounted: readonly number[];
}

/** Mends what is broken between the daemon, its directories and containerd, while all of them run. */
export async function repairState(
  { dryRun, mounted }: RepairOptions,
  deps: RepairDeps,
): Promise<RepairReport> {
  const facts = await gather(mounted, deps);
  const { steps, left } = planRepair(facts);
  const lost = steps.filter((step) => step.type === 'forget-in-containerd');
  const pullAgain = await imagesOf(lost, deps.containerd);
  if (dryRun) {
    return {
      actions: steps.map((step) => ({ what: describeStep(step), error: '' })),
      left,
      pull_again: pullAgain,
    };
  }
  const failed = await executeAll(steps, deps);
  const actions = steps.map((step) => ({ what: describeStep(step), error: failed.get(step) ?? '' }));
  for (const { what, error } of actions) {
    if (error === '') deps.log.warn({ repair: what }, 'repaired');
    else deps.log.error({ repair: what, error }, 'repair failed');
  }
  for (const step of steps) if (!failed.has(step)) tell(step, deps.observe);
  await deps.reconcile();
  return { actions, left, pull_again: pullAgain };
}

/** What a step repairs; having containerd collect is a part of what other steps do. */
const REPAIRS: Readonly<Partial<Record<RepairStep['type'], Repaired['what']>>> = {
  'forget-in-containerd': 'containerd',
  'remove-snapshot': 'snapshot',
  'remove-directories': 'directory',
  root: 'gc-root',
};

function tell(step: RepairStep, observe: OnRepaired | undefined): void {
  const what = REPAIRS[step.type];
  const count = step.type === 'remove-directories' ? step.ids.length : 1;
  if (what !== undefined) observe?.({ by: 'doctor', what, count });
}

async function gather(
  mounted: readonly number[],
  { store, layout, roots, containerd }: RepairDeps,
): Promise<RepairFacts> {
  let asked: ReadonlyMap<string, boolean> | undefined;
  let unanswered = '';
  try {
    asked = await containerd.wantedKeys();
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    unanswered = error.message;
  }
  const [records, degraded] = [store.list(), store.degraded()];
  const known = new Set([...records, ...degraded].map(({ key }) => key));
  // What was there then and is not now was removed meanwhile, and its name may be another snapshot's by now.
  const wanted = asked?.entries().filter(([key, wasThere]) => known.has(key) || !wasThere);
  return {
    records,
    degraded,
    gone: new Set(records.filter(({ id }) => !existsSync(layout.fs(id))).map(({ id }) => id)),
    kept: store.kept(),
    mounted: new Set([...mounted, ...(await mountedDirectories(layout.snapshots))]),
    unrooted: new Set(
      records.filter(({ id, closure }) => closure !== undefined && !roots.isRooted(id)).map(({ id }) => id),
    ),
    wanted: wanted === undefined ? undefined : new Set(wanted.map(([key]) => key)),
    unanswered,
  };
}

/** Carries out steps; what fails may succeed once another step is done, so those are tried again while something succeeds. */
async function executeAll(
  steps: readonly RepairStep[],
  deps: RepairDeps,
): Promise<ReadonlyMap<RepairStep, string>> {
  const { store, roots, service, cleanup, containerd } = deps;
  const executors: Executors = {
    'forget-in-containerd': (step) => containerd.forget(step),
    'remove-snapshot': async ({ key }) => {
      try {
        await service.remove(key);
      } catch (error) {
        // containerd's garbage collection may have been quicker.
        if (!(error instanceof StatusError && error.code === 'NotFound')) throw error;
      }
    },
    'remove-directories': async ({ ids }) => {
      await store.forget(ids);
      const problems = await cleanup.run();
      if (problems.length > 0) throw new StatusError('Internal', problems.join('; '));
    },
    root: ({ record: { id, closure } }) =>
      closure === undefined ? Promise.resolve() : roots.secureStored(id, closure.closure),
    'collect-in-containerd': () => containerd.collect(),
  };
  const execute = <T extends RepairStep['type']>(step: StepOf<T>): Promise<void> =>
    executors[step.type](step);
  const failed = new Map<RepairStep, string>();
  const attempt = async (step: RepairStep): Promise<void> => {
    try {
      await execute(step);
    } catch (error) {
      failed.set(step, messageOf(error));
    }
  };
  // Each may wait as long as a Prepare does for a cache that says nothing.
  const atATime = pLimit(ROOTED_AT_A_TIME);
  let left = steps;
  for (let before = Infinity; left.length > 0 && left.length < before; ) {
    before = left.length;
    failed.clear();
    for (const step of left.filter(({ type }) => type !== 'root')) await attempt(step);
    await Promise.all(left.filter(({ type }) => type === 'root').map((step) => atATime(() => attempt(step))));
    left = [...failed.keys()];
  }
  return failed;
}

/** The images whose uppermost layer is among these, as `<namespace>: <name>`. */
async function imagesOf(
  lost: readonly StepOf<'forget-in-containerd'>[],
  containerd: Pick<ContainerdSide, 'unpackedImages'>,
): Promise<readonly string[]> {
  const images: string[] = [];
  for (const [namespace, steps] of Map.groupBy(lost, (step) => step.namespace)) {
    const unpacked = await containerd.unpackedImages(namespace);
    for (const { name } of steps) {
      for (const image of unpacked.get(name) ?? []) images.push(`${namespace}: ${image}`);
    }
  }
  return [...new Set(images)].toSorted();
}
