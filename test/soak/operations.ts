import { messageOf } from '../../src/errors.ts';

/** What was done, how long each took, and what failed. */
export class Operations {
  readonly #milliseconds = new Map<string, number[]>();
  readonly #failures: string[] = [];

  /** Does and times one; a failure is kept, and thrown. */
  async time<T>(name: string, work: () => Promise<T>): Promise<T> {
    const start = performance.now();
    try {
      const result = await work();
      const times = this.#milliseconds.get(name) ?? [];
      times.push(performance.now() - start);
      this.#milliseconds.set(name, times);
      return result;
    } catch (error) {
      this.#failures.push(`${name}: ${messageOf(error)}`);
      throw error;
    }
  }

  get failures(): readonly string[] {
    return this.#failures;
  }

  /** How often each was done, and milliseconds: the median, nineteen of twenty, the longest. */
  summary(): readonly OperationSummary[] {
    return [...this.#milliseconds].map(([name, times]) => {
      const sorted = times.toSorted((one, other) => one - other);
      const at = (share: number): number => sorted[Math.floor(share * (sorted.length - 1))] ?? 0;
      return { name, count: sorted.length, median: at(0.5), p95: at(0.95), longest: at(1) };
    });
  }
}

export interface OperationSummary {
  readonly name: string;
  readonly count: number;
  readonly median: number;
  readonly p95: number;
  readonly longest: number;
}
