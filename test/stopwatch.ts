/** Minutes that a named part took. */
export interface Minutes {
  readonly part: string;
  readonly milliseconds: number;
}

/** Times the parts of a run. */
export class Stopwatch {
  readonly #entries: Minutes[] = [];

  async time<T>(part: string, work: () => PromiseLike<T>): Promise<T> {
    const start = performance.now();
    try {
      return await work();
    } finally {
      this.#entries.push({ part, milliseconds: performance.now() - start });
    }
  }

  entries(): readonly Minutes[] {
    return this.#entries;
  }
}

export function printMinutes(entries: readonly Minutes[]): void {
  process.stdout.write('\nminutes  part\n');
  for (const { part, milliseconds } of entries) {
    process.stdout.write(`${(milliseconds / 60_000).toFixed(2).padStart(7)}  ${part}\n`);
  }
}
