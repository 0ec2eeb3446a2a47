import pLimit, { type LimitFunction } from 'p-limit';
import { StatusError } from '../../errors.ts';
import type { DaemonConnection } from './connection.ts';

export interface PoolOptions {
  /** How many connections may be open at a time. */
  readonly size: number;
  /** How long after its opening a connection is taken again, in milliseconds: it knows nix.conf as it was then. */
  readonly keptMs: number;
}

/**
 * Connections for short questions, kept for a while. Nothing that takes a temporary root belongs here: Nix holds it until
 * the connection ends, and would keep paths that nobody needs.
 */
export class ConnectionPool {
  readonly #keptMs: number;
  readonly #open: () => Promise<DaemonConnection>;
  readonly #limit: LimitFunction;
  readonly #openedAt = new WeakMap<DaemonConnection, number>();
  readonly #idle: { readonly connection: DaemonConnection; readonly timer: NodeJS.Timeout }[] = [];
  readonly #ending = new Set<Promise<void>>();
  #warming = 0;
  #closed = false;

  constructor({ size, keptMs }: PoolOptions, { open }: { readonly open: () => Promise<DaemonConnection> }) {
    this.#keptMs = keptMs;
    this.#open = open;
    this.#limit = pLimit(size);
  }

  /**
   * Runs `work` on a connection of its own. It runs once more when a kept connection turns out to be gone, so it must be
   * possible to repeat it.
   */
  async use<T>(work: (connection: DaemonConnection) => Promise<T>): Promise<T> {
    return await this.#limit(async () => {
      if (this.#closed) throw new StatusError('Unavailable', 'the connections to Nix are closed');
      const kept = this.#takeIdle();
      if (kept !== undefined) {
        try {
          return await this.#run(kept, work);
        } catch (error) {
          if (!(error instanceof StatusError) || error.code !== 'Unavailable') throw error;
        }
      }
      return await this.#run(await this.#opened(), work);
    });
  }

  /** Opens connections until so many idle; a failure is left to the next question. */
  warm(count: number): void {
    for (let missing = count - this.#idle.length - this.#warming; missing > 0; missing -= 1) {
      if (this.#closed) return;
      this.#warming += 1;
      const opening = this.#limit(async () => {
        const connection = await this.#opened();
        if (this.#closed) this.end(connection);
        else this.#keep(connection);
      })
        .catch(() => {})
        .finally(() => {
          this.#warming -= 1;
          this.#ending.delete(opening);
        });
      this.#ending.add(opening);
    }
  }

  /** Hands over an idle connection, if there is one; its taker ends it. */
  take(): DaemonConnection | undefined {
    return this.#takeIdle();
  }

  /** Nobody waits for the end of a connection but {@link close}. */
  end(connection: DaemonConnection): void {
    const ending = connection.close().finally(() => this.#ending.delete(ending));
    this.#ending.add(ending);
  }

  /** Ends the connections that idle, and those in use as soon as they are free. */
  async close(): Promise<void> {
    this.#closed = true;
    for (let idle = this.#idle.pop(); idle !== undefined; idle = this.#idle.pop()) {
      clearTimeout(idle.timer);
      this.end(idle.connection);
    }
    while (this.#ending.size > 0) await Promise.all(this.#ending);
  }

  async #run<T>(
    connection: DaemonConnection,
    work: (connection: DaemonConnection) => Promise<T>,
  ): Promise<T> {
    try {
      return await work(connection);
    } finally {
      if (connection.usable && !this.#closed) this.#keep(connection);
      else this.end(connection);
    }
  }

  async #opened(): Promise<DaemonConnection> {
    const connection = await this.#open();
    this.#openedAt.set(connection, performance.now());
    return connection;
  }

  #takeIdle(): DaemonConnection | undefined {
    for (let idle = this.#idle.pop(); idle !== undefined; idle = this.#idle.pop()) {
      clearTimeout(idle.timer);
      if (idle.connection.usable) return idle.connection;
      this.end(idle.connection);
    }
    return undefined;
  }

  #keep(connection: DaemonConnection): void {
    const age = performance.now() - (this.#openedAt.get(connection) ?? 0);
    if (age >= this.#keptMs) {
      this.end(connection);
      return;
    }
    const timer = setTimeout(() => {
      const at = this.#idle.findIndex((idle) => idle.connection === connection);
      if (at >= 0) this.#idle.splice(at, 1);
      this.end(connection);
    }, this.#keptMs - age);
    this.#idle.push({ connection, timer });
  }
}
