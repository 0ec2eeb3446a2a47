import { readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { METRICS } from './definitions.ts';
import { type Family, family } from './samples.ts';

/** How often the event loop is looked at, in milliseconds: each look wakes the process. */
const RESOLUTION_MS = 50;

/** Metrics of the process itself; names: https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics. */
export class ProcessState implements Disposable {
  readonly #delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  readonly #maxFds = maxFds();
  readonly #startedAt = Date.now() / 1000 - process.uptime();

  constructor() {
    this.#delay.enable();
  }

  async families(): Promise<readonly Family[]> {
    const { user, system } = process.cpuUsage();
    const { rss, heapUsed } = process.memoryUsage();
    const fds = await readdir('/proc/self/fd');
    const lagP99 = this.#late(this.#delay.percentile(99));
    const lagMax = this.#late(this.#delay.max);
    this.#delay.reset();
    return [
      family(METRICS.cpu, [[(user + system) / 1e6, {}]]),
      family(METRICS.rss, [[rss, {}]]),
      family(METRICS.heap, [[heapUsed, {}]]),
      // The directory itself is open while it is read.
      family(METRICS.fds, [[fds.length - 1, {}]]),
      family(METRICS.maxFds, this.#maxFds === undefined ? [] : [[this.#maxFds, {}]]),
      family(METRICS.started, [[this.#startedAt, {}]]),
      family(METRICS.lagP99, [[lagP99, {}]]),
      family(METRICS.lagMax, [[lagMax, {}]]),
    ];
  }

  [Symbol.dispose](): void {
    this.#delay.disable();
  }

  /** Seconds over the interval at which it looks; before its first look it knows nothing. */
  #late(nanoseconds: number): number {
    return this.#delay.count === 0 ? 0 : Math.max(0, nanoseconds / 1e9 - RESOLUTION_MS / 1000);
  }
}

function maxFds(): number | undefined {
  const limit = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
  return limit === undefined ? undefined : Number(limit);
}
