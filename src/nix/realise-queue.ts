import type { StorePath } from '../closure/store-path.ts';
import { messageOf, StatusError } from '../errors.ts';
import type { Log } from '../log.ts';
import { KeptRoots, type KeptRootsDeps } from './kept-roots.ts';
import { closureKey, describeUnfinished, type RealiseInFlight, RealiseJob } from './realise-job.ts';
import type { RealiseObserver } from './realise-observer.ts';
import { RealiseTurns, type RealiseTurnsOptions } from './realise-turns.ts';
import type { NixStore } from './store.ts';
import { waitFor } from './wait-for.ts';

export interface RealiseQueueOptions extends RealiseTurnsOptions {
  /** How many callers may wait at a time. */
  readonly maxWaiting: number;
  /** How long the root of a caller that gave up is kept after its realise has ended, in milliseconds. */
  readonly graceMs: number;
}

export interface RealiseQueueDeps {
  readonly store: Pick<NixStore, 'realise' | 'removeRoot'>;
  readonly log: Log;
  readonly observer?: RealiseObserver | undefined;
  /** See {@link KeptRootsDeps}. */
  readonly isNeeded?: KeptRootsDeps['isNeeded'];
}

export interface RealiseCall {
  /** The caller has gone. It alone stops waiting; what runs goes on. */
  readonly signal?: AbortSignal;
  /** How long this caller waits, in milliseconds. */
  readonly deadlineMs?: number;
  /** The daemon's own: it is never refused, and comes after those of clients. */
  readonly background?: boolean;
}

/** How long queued work keeps its place for a retry, in milliseconds. */
const PLACE_MS = 30_000;

/**
 * Realises closures: one at a time for each closure, a bounded number in all. A caller that gives up does not stop what
 * runs, and its retry joins it; queued work that nobody has come back to for a while is dropped. {@link RealiseTurns} says
 * whose turn it is.
 */
export class RealiseQueue {
  readonly #log: Log;
  readonly #observer: RealiseObserver | undefined;
  readonly #turns: RealiseTurns;
  readonly #maxWaiting: number;
  readonly #kept: KeptRoots;
  readonly #jobs = new Map<string, RealiseJob>();
  /** Everything that may still have a process. */
  readonly #work = new Set<Promise<void>>();
  /** Clients that wait. */
  #waiting = 0;
  readonly #closing = new AbortController();

  constructor(options: RealiseQueueOptions, deps: RealiseQueueDeps) {
    this.#log = deps.log;
    this.#observer = deps.observer;
    this.#turns = new RealiseTurns(options, deps);
    this.#maxWaiting = options.maxWaiting;
    this.#kept = new KeptRoots({ graceMs: options.graceMs }, deps);
  }

  /**
   * Makes `paths` valid and protects them by `root` before it returns, as {@link NixStore.realise}.
   *
   * @throws StatusError what the store raises; DeadlineExceeded or Cancelled when this caller stops waiting (the work goes
   *   on, and what it made stays rooted for the retry); ResourceExhausted when too many wait; Unavailable when the queue is
   *   closed.
   */
  async realise(paths: readonly StorePath[], root: string, call: RealiseCall = {}): Promise<void> {
    if (this.#closing.signal.aborted) throw stopping();
    if (call.signal?.aborted === true) {
      throw new StatusError(
        'Cancelled',
        `realise ${paths[0] ?? '(no path)'}: the caller has gone before it began`,
      );
    }
    const isBackground = call.background === true;
    if (!isBackground && this.#load >= this.#maxWaiting) throw tooMany(paths, this.#maxWaiting);
    const key = closureKey(paths);
    const started = performance.now();
    const job = this.#jobs.get(key) ?? this.#start(key, paths, root);
    job.isBackground &&= isBackground;
    await this.#join(job, root, call);
    if (job.root !== root) {
      const left =
        call.deadlineMs === undefined ? undefined : call.deadlineMs - (performance.now() - started);
      await this.#rootOnly(job, root, {
        ...call,
        ...(left === undefined ? {} : { deadlineMs: Math.max(0, left) }),
      });
    }
    this.#kept.adopt(root);
    await this.#kept.release(key);
  }

  /**
   * As {@link realise}, for a root that nobody owns: it is kept for the grace period, or until somebody roots the same closure.
   */
  async realiseForLater(paths: readonly StorePath[], root: string, call: RealiseCall = {}): Promise<void> {
    await this.realise(paths, root, call);
    this.#kept.keep(root, closureKey(paths));
  }

  /** Keeps a root that an earlier run of the daemon left for the grace period after `since` (milliseconds since 1970). */
  keepFound(root: string, since: number): void {
    this.#kept.keep(root, root, since);
  }

  /** Removes the roots that nobody has needed for `forMs` milliseconds, and says how many there were. */
  releaseOld(forMs: number): Promise<number> {
    return this.#kept.releaseOld(forMs);
  }

  /** Removes the roots that are kept for a closure which nobody may have. */
  async release(paths: readonly StorePath[]): Promise<void> {
    await this.#kept.release(closureKey(paths));
  }

  /** Somebody waits for what was begun in the background. */
  hurry(paths: readonly StorePath[]): void {
    const job = this.#jobs.get(closureKey(paths));
    if (job !== undefined) job.isBackground = false;
  }

  /** How far the realise of these paths is, in words for an error message. */
  describe(paths: readonly StorePath[]): string {
    const job = this.#jobs.get(closureKey(paths));
    return job === undefined
      ? `realise ${paths[0] ?? '(no path)'}: not finished; a retry goes on with it`
      : describeUnfinished(job);
  }

  /** Waits until no realise of these paths runs or is queued; what came of it is its callers' matter. */
  async ended(paths: readonly StorePath[]): Promise<void> {
    await Promise.allSettled([this.#jobs.get(closureKey(paths))?.done]);
  }

  inFlight(): readonly RealiseInFlight[] {
    return [...this.#jobs.values()].map((job) => job.snapshot());
  }

  /** Roots that belong to no snapshot (yet) and must not be taken for orphans. */
  roots(): ReadonlySet<string> {
    return new Set([...[...this.#jobs.values()].map((job) => job.root), ...this.#kept.roots()]);
  }

  /** Kills what runs and waits for its end. Callers get Unavailable. */
  async close(): Promise<void> {
    this.#closing.abort();
    for (const job of this.#jobs.values()) job.controller.abort();
    await Promise.allSettled(this.#work);
    this.#kept.close();
  }

  /** Callers that wait, or closures they have asked for: those of callers that gave up are some, too. */
  get #load(): number {
    return Math.max(
      this.#waiting,
      [...this.#jobs.values()].filter(({ isBackground }) => !isBackground).length,
    );
  }

  #start(key: string, paths: readonly StorePath[], root: string): RealiseJob {
    const job = new RealiseJob(key, paths, root, Date.now(), this.#kept.adopt(root));
    this.#jobs.set(key, job);
    job.done = this.#track(this.#run(job));
    return job;
  }

  async #run(job: RealiseJob): Promise<void> {
    const { signal } = job.controller;
    let failure: unknown;
    try {
      await this.#turns.realise(job);
      if (job.rootOwners === 0) this.#kept.keep(job.root, job.key);
    } catch (error) {
      failure = error;
      if (job.rootKept) this.#kept.keep(job.root, job.key);
      if (job.waiters === 0 && !signal.aborted) {
        this.#log.warn(
          { path: job.paths[0], error: messageOf(error) },
          'realise failed; nobody waited for it',
        );
      }
      throw this.#closing.signal.aborted ? stopping() : error;
    } finally {
      this.#forget(job);
      if (job.begunAt !== undefined) {
        const asked = job.progress.substituters.length;
        this.#observer?.ended({ milliseconds: performance.now() - job.begunAt, error: failure, asked });
      }
    }
  }

  async #join(job: RealiseJob, root: string, call: RealiseCall): Promise<void> {
    const owner = job.root === root ? 1 : 0;
    const client = call.background === true ? 0 : 1;
    job.waiters += 1;
    this.#waiting += client;
    job.rootOwners += owner;
    try {
      await waitFor(job.done, call, () => describeUnfinished(job));
    } finally {
      job.waiters -= 1;
      this.#waiting -= client;
      job.rootOwners -= owner;
      // The retry of a client whose patience is bounded finds its place in the queue.
      if (call.deadlineMs === undefined) this.#dropUnwanted(job);
      else setTimeout(() => this.#dropUnwanted(job), PLACE_MS).unref();
    }
  }

  #dropUnwanted(job: RealiseJob): void {
    if (job.waiters > 0 || job.state !== 'queued') return;
    job.controller.abort();
    this.#forget(job);
  }

  /** A root of its own for a caller that joined: everything is valid, so this is one short process. */
  async #rootOnly(job: RealiseJob, root: string, call: RealiseCall): Promise<void> {
    const controller = new AbortController();
    const signal = AbortSignal.any([controller.signal, this.#closing.signal]);
    const work = this.#track(this.#turns.root(job.paths, root, signal));
    try {
      await waitFor(work, call, () => `GC root ${root} for ${nameOf(job)}: not made yet; a retry is short`);
    } catch (error) {
      controller.abort();
      throw this.#closing.signal.aborted ? stopping() : error;
    }
  }

  #forget(job: RealiseJob): void {
    if (this.#jobs.get(job.key) === job) this.#jobs.delete(job.key);
  }

  #track(work: Promise<void>): Promise<void> {
    const ended = work.then(
      () => {},
      () => {},
    );
    this.#work.add(ended);
    void ended.then(() => this.#work.delete(ended));
    return work;
  }
}

function tooMany(paths: readonly StorePath[], limit: number): StatusError {
  return new StatusError(
    'ResourceExhausted',
    `${paths[0] ?? '(no path)'} is not asked for: ${limit} calls wait for Nix already, as many as nix.max_waiting allows; ` +
      'see what they wait for (nix-snapshotter status), and try again when some are through, or raise it',
  );
}

function nameOf(job: RealiseJob): string {
  return job.paths[0] ?? '(no path)';
}

function stopping(): StatusError {
  return new StatusError('Unavailable', 'the snapshotter is stopping; try again when it runs');
}
