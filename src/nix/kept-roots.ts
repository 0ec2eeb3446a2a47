import { messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import type { NixStore } from './store.ts';

interface Kept {
  readonly key: string;
  /** Milliseconds since 1970. */
  readonly since: number;
  readonly timer: NodeJS.Timeout;
}

export interface KeptRootsDeps {
  readonly store: Pick<NixStore, 'removeRoot'>;
  /** Whether a root whose time is over is needed on, for another grace period; none is unless told. */
  readonly isNeeded?: ((root: string) => Promise<boolean>) | undefined;
  readonly log: Log;
}

/**
 * Roots that no caller owns for the moment: the one of a caller that gave up, kept until its retry has a root of its
 * own, or until the grace time has passed. So Nix's garbage collector never takes a closure between two tries.
 */
export class KeptRoots {
  readonly #graceMs: number;
  readonly #deps: KeptRootsDeps;
  readonly #kept = new Map<string, Kept>();

  constructor(options: { readonly graceMs: number }, deps: KeptRootsDeps) {
    this.#graceMs = options.graceMs;
    this.#deps = deps;
  }

  /** @param since when it was needed last, in milliseconds since 1970; now unless told. */
  keep(root: string, key: string, since = Date.now()): void {
    this.adopt(root);
    const age = Math.max(0, Date.now() - since);
    const timer = setTimeout(() => void this.#expire(root), Math.max(0, this.#graceMs - age));
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
   * Removes the roots that nobody has asked for in `forMs` milliseconds, unless they are needed on.
   *
   * @returns how many there were.
   */
  async releaseOld(forMs: number): Promise<number> {
    const now = Date.now();
    const old = [...this.#kept].filter(([, { since }]) => now - since >= forMs);
    for (const [root] of old) await this.#expire(root);
    return old.filter(([root]) => !this.#kept.has(root)).length;
  }

  roots(): readonly string[] {
    return [...this.#kept.keys()];
  }

  /** Stops the timers; the links stay, and are orphans for the next start. */
  close(): void {
    for (const root of this.roots()) this.adopt(root);
  }

  async #expire(root: string): Promise<void> {
    const kept = this.#kept.get(root);
    if (kept === undefined) return;
    const { isNeeded } = this.#deps;
    const needed = this.#graceMs > 0 && isNeeded !== undefined && (await this.#ask(root, isNeeded));
    // Somebody may have asked for it meanwhile.
    if (this.#kept.get(root) !== kept) return;
    if (needed) this.keep(root, kept.key);
    else await this.#remove(root);
  }

  async #ask(root: string, isNeeded: (root: string) => Promise<boolean>): Promise<boolean> {
    try {
      return await isNeeded(root);
    } catch (error) {
      this.#deps.log.warn(
        { root, error: messageOf(error) },
        'cannot see whether a GC root is needed; it goes',
      );
      return false;
    }
  }

  async #remove(root: string): Promise<void> {
    this.adopt(root);
    try {
      await this.#deps.store.removeRoot(root);
    } catch (error) {
      this.#deps.log.warn({ root, error: messageOf(error) }, 'cannot remove a GC root that nobody needs');
    }
  }
}
