import { LRUCache } from 'lru-cache';

/** So many errors are remembered: one for each pull that fails at about the same time. */
const MAX_ERRORS = 1000;
const KEPT_MS = 60_000;

/** Errors that a HEAD could not tell, by the repository and the digest that stands for them there. */
export class ToldLater {
  readonly #errors = new LRUCache<string, { readonly error: unknown }>({ max: MAX_ERRORS, ttl: KEPT_MS });

  put(name: string, error: unknown): void {
    this.#errors.set(name, { error });
  }

  /** What the name stands for, once; undefined for any other. */
  take(name: string): unknown {
    const found = this.#errors.get(name);
    this.#errors.delete(name);
    return found?.error;
  }
}
