import { isDeepStrictEqual } from 'node:util';
import type { LayerClosure } from '../closure/annotations.ts';
import type { ClosureCheck } from '../closure/closure-check.ts';
import type { StorePath } from '../closure/store-path.ts';
import { messageOf, StatusError } from '../errors.ts';
import type { Log } from '../log.ts';
import { rootTarget } from '../nix/daemon/root-target.ts';
import type { GcRoots } from '../nix/gc-roots.ts';
import type { RetiredRoots } from '../nix/retired-roots.ts';
import type { RealiseCall } from '../nix/realise-queue.ts';
import { waitFor } from '../nix/wait-for.ts';
import type { AdmittingQueue } from '../policy/gated-queue.ts';
import type { Subject } from '../policy/subject.ts';

export interface LayerRootsOptions {
  /** How long a caller waits for Nix, in milliseconds. */
  readonly deadlineMs: number;
  /** Ids whose root was found at start. */
  readonly rooted: Iterable<number>;
}

export interface LayerRootsDeps {
  readonly queue: AdmittingQueue;
  readonly gcRoots: GcRoots;
  readonly retired: Pick<RetiredRoots, 'retire' | 'has'>;
  readonly check: Pick<ClosureCheck, 'check'>;
  /** For whom the closure of a stored snapshot is realised; nothing is known of that when left out. */
  readonly subjectOf?: (id: number) => Subject;
  readonly log: Log;
}

/** What goes on for a stored snapshot. */
interface Work {
  readonly closure: LayerClosure;
  /** Aborted when the snapshot is gone. */
  readonly released: AbortController;
  readonly done: Promise<void>;
}

/** Keeps the store paths of layers valid and rooted: one GC root for each snapshot that has a closure. */
export class LayerRoots {
  readonly #deadlineMs: number;
  readonly #rooted: Set<number>;
  readonly #works = new Map<number, Work>();
  readonly #deps: LayerRootsDeps;

  constructor(options: LayerRootsOptions, deps: LayerRootsDeps) {
    this.#deadlineMs = options.deadlineMs;
    this.#rooted = new Set(options.rooted);
    this.#deps = deps;
  }

  /** How many snapshots hold a root. */
  get count(): number {
    return this.#rooted.size;
  }

  /** Looks at the disk as well: who removes links by hand does not tell us. */
  isRooted(id: number): boolean {
    return this.#rooted.has(id) && this.#deps.gcRoots.has(id);
  }

  /** Whether a root keeps a closure: that of a snapshot, or one that is kept for the grace period. */
  async holds(closure: LayerClosure): Promise<boolean> {
    const { gcRoots } = this.#deps;
    const { path } = rootTarget(pathsOf(closure));
    return (await gcRoots.list()).some((id) => gcRoots.read(id)?.target === path);
  }

  /**
   * Realises the closure and roots it for a snapshot that is being made; waits no longer than the deadline and the caller do.
   * Without the snapshot the root is nobody's: after a failure there is none, but for the one kept for a retry.
   *
   * @param subject for whom.
   * @throws StatusError what realising raises; DeadlineExceeded while the work goes on; InvalidArgument for a closure whose
   *   list is not its own.
   */
  async secure(
    id: number,
    closure: LayerClosure,
    signal?: AbortSignal,
    subject: Subject = {},
  ): Promise<void> {
    const { queue, gcRoots, check } = this.#deps;
    const paths = pathsOf(closure);
    if (paths.length === 0) return;
    const call = this.#bounds(signal);
    await queue.realise(paths, gcRoots.link(id), { ...call, subject });
    try {
      await waitFor(check.check(closure), call, () => `closure ${paths[0]}: its list is not checked yet`);
    } catch (error) {
      await this.#drop(id);
      throw error;
    }
    this.#rooted.add(id);
  }

  /**
   * As {@link secure} for a snapshot that is stored: the caller's wait is bounded, the work is not, and its root stays until
   * {@link release}.
   */
  async secureStored(id: number, closure: LayerClosure, signal?: AbortSignal): Promise<void> {
    await this.secureAll([{ id, closure }], signal);
  }

  /**
   * {@link secureStored} for layers one after the other, within one deadline for all: an image may have a hundred. A retry goes on
   * with the first that is not rooted.
   */
  async secureAll(
    layers: readonly { readonly id: number; readonly closure: LayerClosure }[],
    signal?: AbortSignal,
  ): Promise<void> {
    const { queue } = this.#deps;
    let named: readonly StorePath[] = [];
    let isGivenUp = false;
    const all = async (): Promise<void> => {
      for (const { id, closure } of layers) {
        named = pathsOf(closure);
        if (isGivenUp) return;
        if (named.length === 0) continue;
        const work = this.#work(id, closure, false);
        queue.hurry(named);
        await work;
      }
    };
    try {
      await waitFor(all(), this.#bounds(signal), () => queue.describe(named));
    } finally {
      isGivenUp = true;
    }
  }

  /**
   * {@link secureStored} without anybody who must wait; a failure is logged, and the first container of the layer tries again.
   *
   * @returns resolves when the work has ended; says whether it is rooted then.
   */
  secureLater(id: number, closure: LayerClosure): Promise<boolean> {
    return this.#work(id, closure, true).then(
      () => true,
      () => false,
    );
  }

  /**
   * Takes the snapshot's root away; none is no error. One that a realise goes on with is kept for a retry, as that of any
   * caller that gave up.
   */
  async release(id: number): Promise<void> {
    if (await this.#disown(id)) await this.#deps.gcRoots.remove(id);
  }

  /**
   * Notes on the root of a snapshot that it is in use until now. A root that cannot be written to does not keep anybody from
   * removing the snapshot.
   */
  async noteUse(id: number): Promise<void> {
    try {
      await this.#deps.gcRoots.noteUse(id);
    } catch (error) {
      this.#deps.log.warn({ id, error: messageOf(error) }, 'cannot note the last use of a GC root');
    }
  }

  /** As {@link release}, for a snapshot that was in use: its root is kept for the grace period after {@link noteUse}. */
  async retire(id: number): Promise<void> {
    if (await this.#disown(id)) await this.#deps.retired.retire(id);
  }

  /** Ends what goes on for a snapshot; says whether its root is nobody's then. */
  async #disown(id: number): Promise<boolean> {
    const { queue, gcRoots } = this.#deps;
    const work = this.#works.get(id);
    work?.released.abort();
    await work?.done.catch(() => {});
    this.#rooted.delete(id);
    return !queue.roots().has(gcRoots.link(id));
  }

  /** The one piece of work that roots a stored snapshot; a failure is logged here, whoever else waits. */
  #work(id: number, closure: LayerClosure, background: boolean): Promise<void> {
    const running = this.#works.get(id);
    if (running !== undefined && isDeepStrictEqual(running.closure, closure)) return running.done;
    // One that roots another closure by the same link ends first: the newest has the last word.
    const released = running?.released ?? new AbortController();
    const before = running?.done.catch(() => {}) ?? Promise.resolve();
    const done = before.then(() => this.#root(id, closure, { signal: released.signal, background }));
    const work = { closure, released, done };
    this.#works.set(id, work);
    done
      .catch((error: unknown) => {
        if (released.signal.aborted) return;
        this.#deps.log.warn({ id, error: messageOf(error) }, 'a layer has no GC root: realise failed');
      })
      .finally(() => {
        if (this.#works.get(id) === work) this.#works.delete(id);
      });
    return done;
  }

  async #root(id: number, closure: LayerClosure, call: RealiseCall): Promise<void> {
    const { queue, gcRoots, check, subjectOf = () => ({}) } = this.#deps;
    const paths = pathsOf(closure);
    if (paths.length === 0) return;
    await queue.realise(paths, gcRoots.link(id), { ...call, subject: subjectOf(id) });
    try {
      // Remove waits for the end of this, and containerd holds a lock meanwhile: Nix may not answer.
      await waitFor(check.check(closure), call, () => `closure ${paths[0]}: its list is not checked yet`);
    } catch (error) {
      if (error instanceof StatusError && error.code === 'InvalidArgument') await this.#drop(id);
      throw error;
    }
    this.#rooted.add(id);
  }

  async #drop(id: number): Promise<void> {
    this.#rooted.delete(id);
    await this.#deps.gcRoots.remove(id);
  }

  #bounds(signal: AbortSignal | undefined) {
    return { deadlineMs: this.#deadlineMs, ...(signal === undefined ? {} : { signal }) };
  }

  /** Ids that have something among the GC roots. */
  list(): Promise<readonly number[]> {
    return this.#deps.gcRoots.list();
  }

  /**
   * The roots of snapshots that are not in use and not retired yet.
   *
   * @param listed from {@link list}, called before `inUse` was: a snapshot that is made meanwhile is in neither or in both.
   */
  orphans(listed: readonly number[], inUse: ReadonlySet<number>): readonly number[] {
    return listed.filter((id) => !inUse.has(id) && !this.#deps.retired.has(id));
  }
}

/** What to realise: a `closureInfo` output refers to the rest. */
function pathsOf(closure: LayerClosure): readonly StorePath[] {
  return closure.kind === 'closure-info' ? [closure.path] : closure.paths;
}
