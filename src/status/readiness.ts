import { messageOf } from '../errors.ts';

export interface ReadinessOptions {
  /** How long an answer is taken for the present state, in milliseconds; while somebody watches, Nix is asked so often. */
  readonly freshMs: number;
  /** How long Nix may take to answer, in milliseconds. */
  readonly patienceMs: number;
}

export interface ReadinessDeps {
  /** Asks Nix for something small; rejects when Nix does not answer. */
  readonly ask: (signal: AbortSignal) => Promise<void>;
}

/**
 * Whether this daemon can do its work now: Nix answers. Nix is asked when somebody wants to know, however many do, and not again
 * until the answer is old: a node that nobody probes keeps no process for it.
 */
export class Readiness implements Disposable {
  readonly #options: ReadinessOptions;
  readonly #ask: ReadinessDeps['ask'];
  readonly #watchers = new Set<() => void>();
  readonly #closing = new AbortController();
  #known: { readonly reason: string | undefined; readonly at: number } | undefined;
  #asking: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: ReadinessOptions, { ask }: ReadinessDeps) {
    this.#options = options;
    this.#ask = ask;
  }

  /** Why the daemon is not ready; undefined when it is. Asks Nix, unless that was just done. */
  async whyNot(): Promise<string | undefined> {
    const { freshMs } = this.#options;
    if (this.#known === undefined || performance.now() - this.#known.at >= freshMs) {
      this.#asking ??= this.#look().finally(() => (this.#asking = undefined));
      await this.#asking;
    }
    return this.#known?.reason;
  }

  /** As {@link whyNot}, but what is known is told at once, however old, while Nix is asked. */
  async latest(): Promise<string | undefined> {
    const asked = this.whyNot();
    return this.#known === undefined ? await asked : this.#known.reason;
  }

  /** Keeps asking, and calls `changed` when the answer is another one, until the result is disposed of. */
  watch(changed: () => void): Disposable {
    const { freshMs } = this.#options;
    // Each has an entry of its own.
    const watcher = (): void => changed();
    this.#watchers.add(watcher);
    this.#timer ??= setInterval(() => void this.whyNot(), freshMs).unref();
    return {
      [Symbol.dispose]: () => {
        this.#watchers.delete(watcher);
        if (this.#watchers.size > 0) return;
        clearInterval(this.#timer);
        this.#timer = undefined;
      },
    };
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#closing.abort();
  }

  async #look(): Promise<void> {
    const { patienceMs } = this.#options;
    const late = AbortSignal.timeout(patienceMs);
    const signal = AbortSignal.any([late, this.#closing.signal]);
    let reason: string | undefined;
    try {
      await untilAborted(this.#ask(signal), signal);
    } catch (error) {
      reason = late.aborted
        ? `Nix has not answered for ${patienceMs} ms: see whether nix-daemon runs`
        : messageOf(error);
    }
    const before = this.#known;
    this.#known = { reason, at: performance.now() };
    const isOther = before !== undefined && (before.reason === undefined) !== (reason === undefined);
    if (isOther) for (const changed of this.#watchers) changed();
  }
}

/** The question may wait behind others, and not hear of the signal. */
async function untilAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  const { promise, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(signal.reason as Error);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
