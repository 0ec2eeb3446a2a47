import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

export interface MemoryReleaseOptions {
  /** After so many calls memory may have grown. */
  readonly calls: number;
  /** How long nothing may be called before it is given back, in milliseconds. */
  readonly restMs: number;
  /** With more than so many bytes resident it is given back between calls, too. */
  readonly highBytes: number;
  /** How often that may be, in milliseconds: all calls wait meanwhile, some tens of milliseconds. */
  readonly everyMs: number;
}

export interface MemoryReleaseDeps {
  /** Collects garbage; V8's own collection unless told. */
  readonly collect?: () => void;
  /** Resident memory of this process in bytes. */
  readonly resident?: () => number;
}

/**
 * Gives memory back that calls have left. V8 lets its heap grow as fast as calls come and has no reason to shrink it when they
 * stop. A smaller young generation (`--max-semi-space-size`) would hold it down too, but then every call pays for it.
 */
export class MemoryRelease implements Disposable {
  readonly #options: MemoryReleaseOptions;
  readonly #collect: () => void;
  readonly #resident: () => number;
  #calls = 0;
  #calledAt = 0;
  #collectedAt = -Infinity;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: MemoryReleaseOptions, deps: MemoryReleaseDeps = {}) {
    this.#options = options;
    this.#collect = deps.collect ?? collectGarbage;
    this.#resident = deps.resident ?? (() => process.memoryUsage.rss());
  }

  /** Tells of a call that has ended. */
  called(): void {
    this.#calls += 1;
    this.#calledAt = performance.now();
    this.#timer ??= setInterval(() => this.#look(), this.#options.restMs).unref();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const { calls, restMs, highBytes, everyMs } = this.#options;
    const now = performance.now();
    const rests = now - this.#calledAt >= restMs;
    const isHigh = this.#resident() > highBytes;
    if ((rests && this.#calls >= calls) || (isHigh && now - this.#collectedAt >= everyMs)) {
      this.#calls = 0;
      this.#collectedAt = now;
      this.#collect();
    }
    if (!rests || (isHigh && this.#collectedAt < this.#calledAt)) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
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
