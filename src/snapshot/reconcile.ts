import { existsSync, writeFileSync } from 'node:fs';
import type { Background } from '../host/background.ts';
import { bootId, isOfThisBoot } from '../host/boot.ts';
import { messageOf } from '../errors.ts';
import { makeSnapshotDirectory } from '../host/snapshot-directory.ts';
import type { Log } from '../log.ts';
import { COPY_NAME, copyText } from '../metadata/record-copies.ts';
import type { SnapshotRecord } from '../metadata/schema.ts';
import type { MetadataStore } from '../metadata/store.ts';
import type { Cleanup } from './cleanup.ts';
import type { LayerRoots } from './layer-roots.ts';
import type { LayerViews } from './layer-views.ts';
import type { Layout } from './layout.ts';
import type { OnRepaired, Repaired } from './repaired.ts';

export interface ReconcileDeps {
  readonly store: MetadataStore;
  readonly layout: Layout;
  readonly roots: LayerRoots;
  readonly cleanup: Cleanup;
  readonly views: Pick<LayerViews, 'restore'>;
  /** Takes what may wait for Nix, and a clean-up at start that takes long: no other clean-up waits for that. */
  readonly restoring: Background;
  /** The daemon stops. */
  readonly stopping: AbortSignal;
  readonly log: Log;
  /** Told of each repair. */
  readonly observe?: OnRepaired | undefined;
}

/** What the start came to, one sentence each; repairs grow while work goes on in the background. */
export interface Reconciled {
  /** What could not be repaired. */
  readonly problems: string[];
  /** What was repaired. */
  readonly repairs: string[];
}

/**
 * Brings metadata, directories and GC roots together at start: removes what belongs to no snapshot, roots anew what lost
 * its root, mounts views again. Never fails because of one snapshot or one directory.
 *
 * @param reconciled gets the problems that there are now in place of those that it has, and what was repaired beside what it has.
 */
export async function reconcile(deps: ReconcileDeps, reconciled: Reconciled): Promise<void> {
  const { store, layout, cleanup, views, restoring, stopping, log, observe } = deps;
  const problems: string[] = [];
  const { repairs } = reconciled;
  const repaired = (what: Repaired['what'], count: number, repair: string) => {
    log.warn({ repair }, 'reconcile repaired something');
    repairs.push(repair);
    observe?.({ by: 'reconcile', what, count });
  };
  if (store.kept().size > 0) {
    problems.push(
      `${store.kept().size} directories in ${layout.snapshots} belong to no snapshot that is known, since metadata was lost; they are ` +
        'kept, for containers may use them: run "nix-snapshotter doctor --repair"',
    );
  }
  for (const { key, reason } of store.degraded()) {
    problems.push(`snapshot ${JSON.stringify(key)}: ${reason}; ${NEXT_STEP}`);
  }
  const cleaning = cleanup.run();
  const left = await within(CLEANUP_MS, cleaning);
  if (left === undefined) {
    log.warn({}, 'there is much to clean up: that goes on beside what follows');
    restoring.add('clean up', async () => void reconciled.problems.push(...(await cleaning)));
  }
  for (const record of store.list()) {
    if (existsSync(layout.fs(record.id))) continue;
    const problem = remake(record, layout);
    if (problem === undefined) {
      repaired(
        'directory',
        1,
        `snapshot ${JSON.stringify(record.key)}: its directory, which holds nothing, was gone and is made again`,
      );
    } else {
      problems.push(problem);
    }
  }
  rootAnew(deps, (count) =>
    repaired('gc-root', count, `${count} closures had lost their GC roots and are rooted again`),
  );
  restoring.add('mount views', async () => {
    const mounted = await views.restore(stopping);
    if (mounted > 0)
      repaired(
        'view',
        mounted,
        `${mounted} views were not mounted, as after a start of the host, and are again`,
      );
  });
  for (const problem of problems) log.error({ problem }, 'reconcile found what it cannot repair');
  reconciled.problems.splice(0, Infinity, ...(left ?? []), ...problems);
}

/** Clients wait for a start, and containerd's own start does; millions of files of what was removed may be left, in milliseconds. */
const CLEANUP_MS = 5000;

/** What comes of work; undefined when it takes longer. */
async function within<T>(milliseconds: number, work: Promise<T>): Promise<T | undefined> {
  const late = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => late.resolve(undefined), milliseconds);
  try {
    return await Promise.race([work, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

const NEXT_STEP = 'run "nix-snapshotter doctor --repair", or remove it and pull the image again';

/** Makes the directory of a snapshot again that never holds anything of its own; else says what is lost. */
function remake(record: SnapshotRecord, layout: Layout): string | undefined {
  const { key, id, kind, closure, ownMountPoints } = record;
  const lost = (why: string) =>
    `snapshot ${JSON.stringify(key)}: its directory ${layout.fs(id)} ${why}; ${NEXT_STEP}`;
  const isEmpty = (kind === 'view' && ownMountPoints !== true) || closure?.source === 'verified';
  if (!isEmpty) return lost('is gone');
  try {
    const files = new Map([[COPY_NAME, copyText(record)]]);
    makeSnapshotDirectory(layout.snapshots, { id, withWork: false, owner: undefined, files });
    return undefined;
  } catch (error) {
    return lost(`is gone and cannot be made again: ${messageOf(error)}`);
  }
}

/**
 * Roots closures that have no root, without waiting. After a start of the host all are rooted anew: it may have lost Nix's half
 * of a root, and what it pointed at.
 *
 * @param rooted told how many of those that had none have one again, when all of them were tried.
 */
function rootAnew(deps: ReconcileDeps, rooted: (count: number) => void): void {
  const { store, layout, roots } = deps;
  const isFirstOfBoot = !isOfThisBoot(layout.boot);
  const stillRooted: SnapshotRecord[] = [];
  const unrooted: Promise<boolean>[] = [];
  for (const record of store.list()) {
    if (record.closure === undefined) continue;
    if (roots.isRooted(record.id)) stillRooted.push(record);
    else unrooted.push(roots.secureLater(record.id, record.closure.closure));
  }
  void Promise.all(unrooted).then((ended) => {
    const again = ended.filter((isRooted) => isRooted).length;
    if (again > 0) rooted(again);
  });
  if (isFirstOfBoot) void rootEach(stillRooted, deps);
}

/**
 * One after the other: nobody waits for these, and others do for what they ask of Nix. Not before all of them are rooted this was the
 * first start of the host.
 */
async function rootEach(
  records: readonly SnapshotRecord[],
  { store, layout, roots, log }: ReconcileDeps,
): Promise<void> {
  const isThere = ({ key, id }: SnapshotRecord) => store.get(key)?.id === id;
  let areRooted = true;
  for (const record of records) {
    if (record.closure === undefined || !isThere(record)) continue;
    const isRooted = await roots.secureLater(record.id, record.closure.closure);
    if (!isRooted && isThere(record)) areRooted = false;
  }
  if (!areRooted) return;
  try {
    writeFileSync(layout.boot, bootId());
  } catch (error) {
    log.warn({ error: messageOf(error) }, 'the next start roots everything anew');
  }
}
