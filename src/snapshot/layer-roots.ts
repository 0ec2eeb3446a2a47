import type { LayerClosure } from '../closure/annotations.ts';
import type { ClosureCheck } from '../closure/closure-check.ts';
import { messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import type { GcRoots } from '../nix/gc-roots.ts';
import type { RealiseQueue } from '../nix/realise-queue.ts';

export interface LayerRootsOptions {
  /** How long {@link LayerRoots.secure} waits for Nix, in milliseconds. */
  readonly deadlineMs: number;
  /** Ids whose root was found at start. */
  readonly rooted: Iterable<number>;
}

export interface LayerRootsDeps {
  readonly queue: RealiseQueue;
  readonly gcRoots: GcRoots;
  readonly check: ClosureCheck;
  readonly log: Log;
}

/** Keeps the store paths of layers valid and rooted: one GC root for each snapshot that has a closure. */
export class LayerRoots {
  readonly #deadlineMs: number;
  readonly #rooted: Set<number>;
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

  isRooted(id: number): boolean {
    return this.#rooted.has(id);
  }

  /**
   * Realises the closure and roots it for the snapshot; waits no longer than the deadline and the caller do.
   *
   * @throws StatusError what realising raises; DeadlineExceeded while the work goes on; InvalidArgument for a closure whose
   *   list is not its own.
   */
  async secure(id: number, closure: LayerClosure, signal?: AbortSignal): Promise<void> {
    const { queue, gcRoots, check } = this.#deps;
    const paths = closure.kind === 'closure-info' ? [closure.path] : closure.paths;
    if (paths.length === 0) return;
    await queue.realise(paths, gcRoots.link(id), {
      deadlineMs: this.#deadlineMs,
      ...(signal === undefined ? {} : { signal }),
    });
    this.#rooted.add(id);
    try {
      await check.check(closure);
    } catch (error) {
      await this.release(id);
      throw error;
    }
  }

  /** {@link secure} without anybody waiting; a failure is logged, and the first container of the layer tries again. */
  secureLater(id: number, closure: LayerClosure): void {
    this.secure(id, closure).catch((error: unknown) => {
      this.#deps.log.warn({ id, error: messageOf(error) }, 'realise in the background failed');
    });
  }

  /** Takes the snapshot's root away; none is no error. */
  async release(id: number): Promise<void> {
    this.#rooted.delete(id);
    await this.#deps.gcRoots.remove(id);
  }

  /** Ids that have something among the GC roots. */
  list(): Promise<readonly number[]> {
    return this.#deps.gcRoots.list();
  }

  /**
   * Removes the roots of snapshots that are not in use, but not those kept for the retry of a caller that gave up.
   *
   * @param listed from {@link list}, called before `inUse` was: a snapshot that is made meanwhile is in neither or in both.
   */
  async removeOrphans(listed: readonly number[], inUse: ReadonlySet<number>): Promise<void> {
    const { gcRoots, queue } = this.#deps;
    for (const id of listed) {
      if (!inUse.has(id) && !queue.roots().has(gcRoots.link(id))) await this.release(id);
    }
  }
}
