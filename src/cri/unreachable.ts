import { LRUCache } from 'lru-cache';
import { StatusError } from '../errors.ts';
import type { Log } from '../log.ts';

/**
 * How long a registry that did not answer is left alone: a moment at first, for the network may just be coming up, then twice as
 * long each time: behind a mirror of containerd's it may never answer.
 */
const FIRST_REST_MS = 5000;
const LONGEST_REST_MS = 10 * 60_000;
const MAX_REGISTRIES = 1000;

/** Remembers registries that cannot be reached from here, so that not every pull waits for them. */
export class Unreachable {
  readonly #resting = new LRUCache<string, { readonly until: number; readonly restMs: number }>({
    max: MAX_REGISTRIES,
  });
  readonly #log: Log;

  constructor({ log }: { readonly log: Log }) {
    this.#log = log;
  }

  /**
   * Asks a registry, unless it has just not answered.
   *
   * @param signal of the caller, whose going says nothing of the registry.
   * @throws StatusError Unavailable for a registry that is left alone; what `ask` raises.
   */
  async guard<T>(registry: string, ask: () => Promise<T>, signal: AbortSignal): Promise<T> {
    if (performance.now() < (this.#resting.get(registry)?.until ?? 0))
      throw new StatusError('Unavailable', `registry ${registry}: it did not answer a short while ago`);
    try {
      const answer = await ask();
      this.#resting.delete(registry);
      return answer;
    } catch (error) {
      if (error instanceof StatusError && error.code === 'Unavailable' && !signal.aborted)
        this.#put(registry);
      throw error;
    }
  }

  #put(registry: string): void {
    const last = this.#resting.get(registry)?.restMs;
    const restMs = last === undefined ? FIRST_REST_MS : Math.min(2 * last, LONGEST_REST_MS);
    this.#resting.set(registry, { until: performance.now() + restMs, restMs });
    this.#log.warn(
      { registry, seconds: restMs / 1000 },
      'a registry does not answer: for so long, what its images name is realised when containerd unpacks them',
    );
  }
}
