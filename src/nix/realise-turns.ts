import type { StorePath } from '../closure/store-path.ts';
import { type FetchSlot, FetchSlots } from './fetch-slots.ts';
import type { RealiseJob } from './realise-job.ts';
import type { RealiseObserver } from './realise-observer.ts';
import type { NixStore } from './store.ts';

export interface RealiseTurnsOptions {
  /** How many realises may fetch at a time that are not known to have much to fetch. */
  readonly concurrency: number;
  /** How many that have much to fetch, or take long, may go on beside them; 0 makes no difference between them. */
  readonly long: number;
}

export interface RealiseTurnsDeps {
  readonly store: Pick<NixStore, 'realise'>;
  readonly observer?: RealiseObserver | undefined;
}

/** A fetch of so many bytes is a long one. */
const LONG_BYTES = 64 * 1024 * 1024;
/** How many closures may be looked up and rooted at a time, before anything is fetched. */
const ROOTS_AT_A_TIME = 8;

/**
 * Realises jobs, each in its turn: what is there already is rooted and waits for no fetch, and no number of large closures keeps a
 * small one waiting ({@link FetchSlots}).
 */
export class RealiseTurns {
  readonly #store: RealiseTurnsDeps['store'];
  readonly #observer: RealiseObserver | undefined;
  readonly #slots: FetchSlots;
  readonly #rooting = new FetchSlots({ short: ROOTS_AT_A_TIME, long: 0 });

  constructor({ concurrency, long }: RealiseTurnsOptions, { store, observer }: RealiseTurnsDeps) {
    this.#store = store;
    this.#observer = observer;
    this.#slots = new FetchSlots({ short: concurrency, long });
  }

  /**
   * Realises a job, until it is done or its controller says stop.
   *
   * @throws StatusError what {@link NixStore.realise} raises.
   */
  async realise(job: RealiseJob): Promise<void> {
    while (!(await this.#attempt(job))) job.runningSince = undefined;
  }

  /** Makes a root for paths that are valid, which is no fetch. */
  async root(paths: readonly StorePath[], root: string, signal: AbortSignal): Promise<void> {
    using _ = await this.#rooting.acquire({ isLong: false, isBackground: false }, signal);
    await this.#store.realise(paths, root, { signal });
  }

  /** @returns false when it has much to fetch and must wait for its turn among the others that have. */
  async #attempt(job: RealiseJob): Promise<boolean> {
    const { signal } = job.controller;
    const attempt = new AbortController();
    using held = new DisposableStack();
    const rooting = held.use(await this.#rooting.acquire(job, signal));
    const lookedUpAt = performance.now();
    let slot: FetchSlot | undefined;
    const mayFetch = async (): Promise<void> => {
      if (slot !== undefined) return;
      rooting[Symbol.dispose]();
      slot = held.use(await this.#slots.acquire(job, signal));
      job.runningSince = Date.now();
      this.#begun(job, performance.now());
    };
    const onProgress = (progress: RealiseJob['progress']): void => {
      job.reached(progress);
      if (job.isLong || progress.bytesTotal < LONG_BYTES) return;
      job.isLong = true;
      if (slot?.turnsLong() === false) attempt.abort();
    };
    try {
      const both = AbortSignal.any([signal, attempt.signal]);
      const onReceived = this.#observer?.received;
      await this.#store.realise(job.paths, job.root, { signal: both, onProgress, onReceived, mayFetch });
      this.#begun(job, lookedUpAt);
      return true;
    } catch (error) {
      if (!signal.aborted && attempt.signal.aborted) return false;
      if (!signal.aborted) this.#begun(job, lookedUpAt);
      throw error;
    }
  }

  #begun(job: RealiseJob, at: number): void {
    if (job.begunAt !== undefined) return;
    job.begunAt = at;
    this.#observer?.began(at - job.queuedAt);
  }
}
