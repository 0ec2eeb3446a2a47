import { messageOf } from '../errors.ts';
import type { Log } from '../log.ts';

/** Work that nobody waits for, one piece after the other; failures are logged. */
export class Background {
  readonly #log: Log;
  #tail: Promise<void> = Promise.resolve();

  constructor(log: Log) {
    this.#log = log;
  }

  add(what: string, work: () => Promise<void>): void {
    this.#tail = this.#tail.then(work).catch((error: unknown) => {
      this.#log.warn({ what, error: messageOf(error) }, 'background work failed');
    });
  }

  /** Resolves when all that was added so far has ended. */
  drained(): Promise<void> {
    return this.#tail;
  }
}
