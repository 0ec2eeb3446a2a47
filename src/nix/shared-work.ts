import pLimit, { type LimitFunction } from 'p-limit';
import { StatusError } from '../errors.ts';
import { NOTHING_YET, type RealiseInFlight } from './realise-job.ts';
import type { RealiseCall } from './realise-queue.ts';
import { waitFor } from './wait-for.ts';

interface Job<T> {
  readonly controller: AbortController;
  readonly startedAt: number;
  /** Undefined while it is queued. */
  runningSince: number | undefined;
  waiters: number;
  readonly done: Promise<T>;
}

/** How many callers may wait for one kind of work. */
const MAX_WAITING = 1000;

/**
 * Work that several callers ask for by the same key at a time: done once for all of them, a bounded number of keys at a time. It
 * stops when all who waited have gone; after a caller's deadline it goes on for the retry, unless it has not begun.
 */
export class SharedWork<T> {
  readonly #limit: LimitFunction;
  readonly #run: (key: string, signal: AbortSignal) => Promise<T>;
  readonly #jobs = new Map<string, Job<T>>();
  /** Everything that may still have a process. */
  readonly #work = new Set<Promise<unknown>>();
  #waiting = 0;
  #isClosed = false;

  constructor(
    options: { readonly concurrency: number },
    run: (key: string, signal: AbortSignal) => Promise<T>,
  ) {
    this.#limit = pLimit(options.concurrency);
    this.#run = run;
  }

  /**
   * @param what is done, for messages.
   * @throws StatusError what the work raises; DeadlineExceeded, or Cancelled, when this caller stops waiting; ResourceExhausted
   *   when too many wait; Unavailable when closed.
   */
  async do(key: string, call: RealiseCall, what: string): Promise<T> {
    if (this.#isClosed) throw stopping(what);
    if (this.#waiting >= MAX_WAITING)
      throw new StatusError(
        'ResourceExhausted',
        `${what}: ${MAX_WAITING} callers wait for such work already, which is the limit; try again when some are through`,
      );
    const job = this.#jobs.get(key) ?? this.#start(key);
    job.waiters += 1;
    this.#waiting += 1;
    let isGone = false;
    try {
      return await waitFor(job.done, call, () => {
        const state =
          job.runningSince === undefined ? 'queued behind others' : 'it goes on, and a retry joins it';
        return `${what}: not finished; ${state}`;
      });
    } catch (error) {
      isGone = call.signal?.aborted === true;
      throw this.#isClosed ? stopping(what) : error;
    } finally {
      job.waiters -= 1;
      this.#waiting -= 1;
      if (job.waiters === 0 && (isGone || job.runningSince === undefined)) this.#stop(key, job);
    }
  }

  /** What is queued or runs, as `status` shows it. */
  inFlight(): readonly RealiseInFlight[] {
    return [...this.#jobs].map(([key, { startedAt, runningSince, waiters }]) => ({
      paths: [key],
      state: runningSince === undefined ? 'queued' : 'running',
      startedAt,
      runningSince,
      waiters,
      progress: NOTHING_YET,
      speed: 0,
    }));
  }

  /** Stops what runs and waits for its end. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const [key, job] of this.#jobs) this.#stop(key, job);
    await Promise.allSettled(this.#work);
  }

  #start(key: string): Job<T> {
    const controller = new AbortController();
    const { signal } = controller;
    const work = this.#limit(async () => {
      signal.throwIfAborted();
      job.runningSince = Date.now();
      return await this.#run(key, signal);
    });
    const job: Job<T> = {
      controller,
      startedAt: Date.now(),
      runningSince: undefined,
      waiters: 0,
      done: work,
    };
    this.#jobs.set(key, job);
    this.#work.add(work);
    const ended = (): void => {
      this.#work.delete(work);
      this.#forget(key, job);
    };
    // Who waits is told of a failure; after a deadline nobody may.
    work.then(ended, ended);
    return job;
  }

  #stop(key: string, job: Job<T>): void {
    job.controller.abort(new StatusError('Cancelled', 'nobody waits for it any more'));
    this.#forget(key, job);
  }

  #forget(key: string, job: Job<T>): void {
    if (this.#jobs.get(key) === job) this.#jobs.delete(key);
  }
}

function stopping(what: string): StatusError {
  return new StatusError('Unavailable', `${what}: the snapshotter is stopping; try again when it runs`);
}
