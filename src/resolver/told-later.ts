/** So many errors are remembered: one for each pull that fails at about the same time. */
const MAX_ERRORS = 1000;
const KEPT_MS = 60_000;

/** Errors that a HEAD could not tell, by the repository and the digest that stands for them there. */
export class ToldLater {
  readonly #errors = new Map<string, { readonly error: unknown; readonly until: number }>();

  put(name: string, error: unknown): void {
    this.#errors.delete(name);
    this.#errors.set(name, { error, until: performance.now() + KEPT_MS });
    const [oldest] = this.#errors.keys();
    if (this.#errors.size > MAX_ERRORS && oldest !== undefined) this.#errors.delete(oldest);
  }

  /** What the name stands for, once; undefined for any other. */
  take(name: string): unknown {
    const found = this.#errors.get(name);
    this.#errors.delete(name);
    return found !== undefined && performance.now() < found.until ? found.error : undefined;
  }
}
