/** Runs functions one after the other for each key, in the order of the calls. */
export class KeyedMutex {
  readonly #tails = new Map<string, Promise<void>>();

  /**
   * Runs `work` when every earlier call that shares one of these keys has ended; its result or error is passed on.
   * Keys are taken all at once, so calls with several keys cannot block each other for ever. Do not nest.
   */
  async run<T>(keys: readonly string[], work: () => Promise<T>): Promise<T> {
    const before = Promise.all(keys.map((key) => this.#tails.get(key) ?? Promise.resolve()));
    let end = (): void => {};
    const tail = new Promise<void>((resolve) => {
      end = resolve;
    });
    for (const key of keys) this.#tails.set(key, tail);
    try {
      await before;
      return await work();
    } finally {
      for (const key of keys) if (this.#tails.get(key) === tail) this.#tails.delete(key);
      end();
    }
  }
}
