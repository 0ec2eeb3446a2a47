import { StatusError } from '../errors.ts';

/** How long a registry that did not answer is left alone: behind a mirror of containerd's it may never do. */
const REST_MS = 10 * 60_000;
const MAX_REGISTRIES = 1000;

/** Remembers registries that cannot be reached from here, so that not every pull waits for them. */
export class Unreachable {
  readonly #until = new Map<string, number>();

  /**
   * Asks a registry, unless it has just not answered.
   *
   * @param signal of the caller, whose going says nothing of the registry.
   * @throws StatusError Unavailable for a registry that is left alone; what `ask` raises.
   */
  async guard<T>(registry: string, ask: () => Promise<T>, signal: AbortSignal): Promise<T> {
    const until = this.#until.get(registry) ?? 0;
    if (performance.now() < until)
      throw new StatusError('Unavailable', `registry ${registry}: it did not answer a short while ago`);
    try {
      return await ask();
    } catch (error) {
      if (error instanceof StatusError && error.code === 'Unavailable' && !signal.aborted)
        this.#put(registry);
      throw error;
    }
  }

  #put(registry: string): void {
    this.#until.delete(registry);
    this.#until.set(registry, performance.now() + REST_MS);
    const [oldest] = this.#until.keys();
    if (this.#until.size > MAX_REGISTRIES && oldest !== undefined) this.#until.delete(oldest);
  }
}
