import pLimit, { type LimitFunction } from 'p-limit';
import type { StorePath } from '../closure/store-path.ts';
import { messageOf, StatusError } from '../errors.ts';
import type { Log } from '../log.ts';
import { KeptRoots } from './kept-roots.ts';
import type { RealiseObserver } from './realise-observer.ts';
import { closureKey, describeProgress, RealiseJob, type RealiseInFlight } from './realise-job.ts';
import type { NixStore } from './store.ts';
import { waitFor } from './wait-for.ts';

export interface RealiseQueueOptions {
  /** How many Nix processes may realise at a time. */
  readonly concurrency: number;
  /** How long the root of a caller that gave up is kept after its realise has ended, in milliseconds. */
  readonly graceMs: number;
}

export interface RealiseQueueDeps {
  readonly store: Pick<NixStore, 'realise' | 'removeRoot'>;
  readonly log: Log;
  readonly observer?: RealiseObserver | undefined;
}

export interface RealiseCall {
  /** The caller has gone. It alone stops waiting; what runs goes on. */
  readonly signal?: AbortSignal;
  /** How long this caller waits, in milliseconds. */
  readonly deadlineMs?: number;
}

/**
 * Realises closures: one at a time for each closure, a bounded number in all. A caller that gives up does not stop what
 * runs, and its retry joins it; queued work that nobody waits for is dropped.
 */
export class RealiseQueue {
  readonly #store: RealiseQueueDeps['store'];
  readonly #log: Log;
  readonly #observer: RealiseObserver | undefined;
  readonly #limit: LimitFunction;
  readonly #kept: KeptRoots;
  readonly #jobs = new Map<string, RealiseJob>();
  /** Everything that may still have a process. */
  readonly #work = new Set<Promise<void>>();
  readonly #closing = new AbortController();

  constructor(options: RealiseQueueOptions, deps: RealiseQueueDeps) {
    this.#store = deps.store;
    this.#log = deps.log;
    this.#observer = deps.observer;
    this.#limit = pLimit(options.concurrency);
    this.#kept = new KeptRoots({ graceMs: options.graceMs }, deps);
  }

  /**
   * Makes `paths` valid and protects them by `root` before it returns, as {@link NixStore.realise}.
   *
   * @throws StatusError what the store raises; DeadlineExceeded or Cancelled when this caller stops waiting (the work goes
   *   on, and what it made stays rooted for the retry); Unavailable when the queue is closed.
   */
  async realise(paths: readonly StorePath[], root: string, call: RealiseCall = {}): Promise<void> {
    if (this.#closing.signal.aborted) throw stopping();
    if (call.signal?.aborted === true) {
      throw new StatusError(
        'Cancelled',
        `realise ${paths[0] ?? '(no path)'}: the caller has gone before it began`,
      );
    }
    const key = closureKey(paths);
    const started = performance.now();
    const job = this.#jobs.get(key) ?? this.#start(key, paths, root);
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

  /** Keeps a root that an earlier run of the daemon left for the grace period. */
  keepFound(root: string): void {
    this.#kept.keep(root, root);
  }

  /** How far the realise of these paths is, in words for an error message. */
  describe(paths: readonly StorePath[]): string {
    const job = this.#jobs.get(closureKey(paths));
    return job === undefined
      ? `realise ${paths[0] ?? '(no path)'}: not finished; a retry goes on with it`
      : describe(job);
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

  #start(key: string, paths: readonly StorePath[], root: string): RealiseJob {
    const job = new RealiseJob(key, paths, root, Date.now(), this.#kept.adopt(root));
    this.#jobs.set(key, job);
    job.done = this.#track(this.#limit(() => this.#run(job)));
    return job;
  }

  async #run(job: RealiseJob): Promise<void> {
    const { signal } = job.controller;
    let since: number | undefined;
    let failure: unknown;
    try {
      signal.throwIfAborted();
      job.state = 'running';
      since = performance.now();
      this.#observer?.began(since - job.queuedAt);
      const onProgress = (progress: RealiseJob['progress']): void => {
        job.progress = progress;
      };
      const onReceived = this.#observer?.received;
      await this.#store.realise(job.paths, job.root, { signal, onProgress, onReceived });
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
      if (since !== undefined) {
        const asked = job.progress.substituters.length;
        this.#observer?.ended({ milliseconds: performance.now() - since, error: failure, asked });
      }
    }
  }

  async #join(job: RealiseJob, root: string, call: RealiseCall): Promise<void> {
    const owner = job.root === root ? 1 : 0;
    job.waiters += 1;
    job.rootOwners += owner;
    try {
      await waitFor(job.done, call, () => describe(job));
    } finally {
      job.waiters -= 1;
      job.rootOwners -= owner;
      if (job.waiters === 0 && job.state === 'queued') {
        job.controller.abort();
        this.#forget(job);
      }
    }
  }

  /** A root of its own for a caller that joined: everything is valid, so this is one short process. */
  async #rootOnly(job: RealiseJob, root: string, call: RealiseCall): Promise<void> {
    const controller = new AbortController();
    const signal = AbortSignal.any([controller.signal, this.#closing.signal]);
    const work = this.#track(this.#store.realise(job.paths, root, { signal }));
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

function describe(job: RealiseJob): string {
  return `realise ${nameOf(job)}: not finished (${describeProgress(job)}); it goes on, and a retry joins it`;
}

function nameOf(job: RealiseJob): string {
  return job.paths[0] ?? '(no path)';
}

function stopping(): StatusError {
  return new StatusError('Unavailable', 'the snapshotter is stopping; try again when it runs');
}
