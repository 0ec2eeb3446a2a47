import { messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import type { NixStore } from './store.ts';

interface Kept {
  readonly key: string;
  /** Milliseconds since 1970. */
  readonly since: number;
  readonly timer: NodeJS.Timeout;
}

/**
 * Roots that no caller owns for the moment: the one of a caller that gave up, kept until its retry has a root of its
 * own, or until the grace time has passed. So Nix's garbage collector never takes a closure between two tries.
 */
export class KeptRoots {
  readonly #graceMs: number;
  readonly #store: Pick<NixStore, 'removeRoot'>;
  readonly #log: Log;
  readonly #kept = new Map<string, Kept>();

  constructor(
    options: { readonly graceMs: number },
    deps: { readonly store: Pick<NixStore, 'removeRoot'>; readonly log: Log },
  ) {
    this.#graceMs = options.graceMs;
    this.#store = deps.store;
    this.#log = deps.log;
  }

  /** @param since when it was needed last, in milliseconds since 1970; now unless told. */
  keep(root: string, key: string, since = Date.now()): void {
    this.adopt(root);
    const age = Math.max(0, Date.now() - since);
    const timer = setTimeout(() => void this.#remove(root), Math.max(0, this.#graceMs - age));
    timer.unref();
    this.#kept.set(root, { key, since, timer });
  }

  /** The root has an owner again; says whether it was kept. */
  adopt(root: string): boolean {
    clearTimeout(this.#kept.get(root)?.timer);
    return this.#kept.delete(root);
  }

  /** Removes the roots kept for a closure: somebody has a root of it. */
  async release(key: string): Promise<void> {
    for (const [root, kept] of this.#kept) if (kept.key === key) await this.#remove(root);
  }

  /**
   * Removes the roots that nobody has needed for `forMs` milliseconds.
   *
   * @returns how many there were.
   */
  async releaseOld(forMs: number): Promise<number> {
    const now = Date.now();
    const old = [...this.#kept].filter(([, { since }]) => now - since >= forMs);
    for (const [root] of old) await this.#remove(root);
    return old.length;
  }

  roots(): readonly string[] {
    return [...this.#kept.keys()];
  }

  /** Stops the timers; the links stay, and are orphans for the next start. */
  close(): void {
    for (const root of this.roots()) this.adopt(root);
  }

  async #remove(root: string): Promise<void> {
    this.adopt(root);
    try {
      await this.#store.removeRoot(root);
    } catch (error) {
      this.#log.warn({ root, error: messageOf(error) }, 'cannot remove a GC root that nobody needs');
    }
  }
}
