import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

export interface MemoryReleaseOptions {
  /** After so many calls memory may have grown. */
  readonly calls: number;
  /** How long nothing may be called before it is given back, in milliseconds. */
  readonly restMs: number;
}

/**
 * Gives memory back that a burst of calls has left. V8 lets its heap grow as fast as calls come and has no reason to shrink it
 * when they stop. A smaller young generation (`--max-semi-space-size`) would hold it down too, but then every call pays for it.
 */
export class MemoryRelease implements Disposable {
  readonly #options: MemoryReleaseOptions;
  readonly #collect: () => void;
  #calls = 0;
  #calledAt = 0;
  #timer: NodeJS.Timeout | undefined;

  /** @param deps.collect collects garbage; V8's own collection unless told. */
  constructor(options: MemoryReleaseOptions, deps: { readonly collect?: () => void } = {}) {
    this.#options = options;
    this.#collect = deps.collect ?? collectGarbage;
  }

  /** Tells of a call that has ended. */
  called(): void {
    this.#calls += 1;
    if (this.#calls < this.#options.calls) return;
    this.#calledAt = performance.now();
    this.#timer ??= setInterval(() => this.#look(), this.#options.restMs).unref();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    if (performance.now() - this.#calledAt < this.#options.restMs) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#calls = 0;
    this.#collect();
  }
}

function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as (options: object) => void)({
    type: 'major',
    execution: 'sync',
    flavor: 'last-resort',
  });
}
