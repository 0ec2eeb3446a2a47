import { randomInt } from 'node:crypto';

/** Numbers that a seed determines. */
export class Random {
  readonly seed: number;
  #state: number;

  constructor(seed: number) {
    this.seed = seed;
    this.#state = seed;
  }

  /** The seed that the environment variable names, else a new one. */
  static fromEnvironment(name: string): Random {
    return new Random(Number(process.env[name] ?? randomInt(2 ** 31)));
  }

  /** A number in [0, 1): mulberry32. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }

  /** One of the values; undefined when there is none. */
  pick<T>(values: readonly T[]): T | undefined {
    return values[this.below(values.length)];
  }
}
