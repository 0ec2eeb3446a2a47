import { statfs } from 'node:fs/promises';
import { messageOf } from '../errors.ts';
import type { Log } from '../log.ts';

export interface SpaceWatchOptions {
  /** While less of the store's file system is free, in percent, space is short; 0: it never is. */
  readonly minFreePercent: number;
}

export interface SpaceWatchDeps {
  readonly realStoreDir: () => Promise<string>;
  /** Takes away the GC roots that nobody needs, and says how many there were. */
  readonly release: () => Promise<number>;
  readonly log: Log;
}

const EVERY_MS = 60_000;

/** Sees to it that what nobody needs is not kept from Nix's garbage collector while space is short. */
export class SpaceWatch implements Disposable {
  readonly #options: SpaceWatchOptions;
  readonly #deps: SpaceWatchDeps;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: SpaceWatchOptions, deps: SpaceWatchDeps) {
    this.#options = options;
    this.#deps = deps;
  }

  /** Looks from time to time. */
  start(): void {
    if (this.#options.minFreePercent > 0) this.#timer = setInterval(() => void this.look(), EVERY_MS).unref();
  }

  /** Looks now. A file system that cannot be asked is not short of space. */
  async look(): Promise<void> {
    const { realStoreDir, release, log } = this.#deps;
    const { minFreePercent } = this.#options;
    if (minFreePercent === 0) return;
    try {
      const { bavail, blocks } = await statfs(await realStoreDir());
      if (bavail * 100 >= blocks * minFreePercent) return;
      const roots = await release();
      if (roots > 0) log.info({ roots }, 'space is short: GC roots of what nobody needs are gone');
    } catch (error) {
      log.debug({ error: messageOf(error) }, 'cannot see how much of the store is free');
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
