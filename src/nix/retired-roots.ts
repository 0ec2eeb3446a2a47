import { messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import type { GcRoots } from './gc-roots.ts';

export interface RetiredRootsOptions {
  /** How long a root stays after its snapshot's last use, in milliseconds; 0: not at all. */
  readonly graceMs: number;
}

export interface RetiredRootsDeps {
  readonly gcRoots: GcRoots;
  /** Told that there is one more. */
  readonly retired: () => void;
  readonly log: Log;
}

interface Retired {
  readonly id: number;
  /** Milliseconds since 1970. */
  readonly until: number;
  readonly timer: NodeJS.Timeout;
}

/**
 * GC roots of snapshots that are gone, kept for the grace period: what replaces a container finds its closure still there. Such
 * a root is the link that the snapshot had, and its modification time is the time of the last use, so that it outlives
 * the daemon; ids are never used again.
 */
export class RetiredRoots {
  readonly #options: RetiredRootsOptions;
  readonly #deps: RetiredRootsDeps;
  /** By what the root names: one root keeps a closure. */
  readonly #retired = new Map<string, Retired>();

  constructor(options: RetiredRootsOptions, deps: RetiredRootsDeps) {
    this.#options = options;
    this.#deps = deps;
  }

  /** How many roots are kept. */
  get count(): number {
    return this.#retired.size;
  }

  has(id: number): boolean {
    return this.#retired.values().some((retired) => retired.id === id);
  }

  /**
   * Keeps the root of a snapshot that is gone until the grace period after the time noted on it has passed. Of roots that name
   * the same the one that was used last is kept. A root that is not there is no error.
   */
  async retire(id: number): Promise<void> {
    if (this.has(id)) return;
    const { gcRoots } = this.#deps;
    const found = gcRoots.read(id);
    const now = Date.now();
    const until = Math.min(found?.usedAt ?? 0, now) + this.#options.graceMs;
    const other = found === undefined ? undefined : this.#retired.get(found.target);
    if (found === undefined || until <= now || (other !== undefined && other.until > until)) {
      await gcRoots.remove(id);
      return;
    }
    const timer = setTimeout(() => void this.#expire(found.target, id), until - now);
    timer.unref();
    this.#retired.set(found.target, { id, until, timer });
    if (other !== undefined) {
      clearTimeout(other.timer);
      await gcRoots.remove(other.id);
    }
    this.#deps.retired();
  }

  /**
   * Takes all of them away before their time.
   *
   * @returns how many there were.
   */
  async releaseAll(): Promise<number> {
    const all = [...this.#retired];
    for (const [target, { id }] of all) await this.#expire(target, id);
    return all.length;
  }

  /** Stops the timers; the links stay for the next start. */
  close(): void {
    for (const { timer } of this.#retired.values()) clearTimeout(timer);
    this.#retired.clear();
  }

  async #expire(target: string, id: number): Promise<void> {
    const retired = this.#retired.get(target);
    if (retired?.id !== id) return;
    clearTimeout(retired.timer);
    this.#retired.delete(target);
    try {
      await this.#deps.gcRoots.remove(id);
    } catch (error) {
      this.#deps.log.warn({ id, error: messageOf(error) }, 'cannot remove a GC root; Cleanup tries again');
    }
  }
}
