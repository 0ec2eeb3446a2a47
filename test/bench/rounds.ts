import type { Measurement } from './measurement.ts';

/** One subject at one size: a cell of the tables. */
export interface Cell {
  readonly subject: string;
  readonly size?: number;
  readonly floor?: boolean;
  /** Does the thing once and returns the figures by metric. */
  measure(): Promise<Readonly<Record<string, number>>>;
}

export interface RoundsOptions {
  readonly part: string;
  readonly unit: string;
  readonly rounds: number;
}

/** A cell that takes longer than this, in milliseconds, is measured in few rounds. */
const SLOW_MS = 8000;
const SLOW_ROUNDS = 3;

/**
 * Measures cells in turns: each round visits every cell, beginning with another one, after one round that does not
 * count. So a busy neighbour hits all of them alike.
 */
export async function inRounds(cells: readonly Cell[], options: RoundsOptions): Promise<Measurement[]> {
  const samples = cells.map(() => new Map<string, number[]>());
  const slow = new Set<Cell>();
  for (let round = 0; round <= options.rounds; round += 1) {
    for (const turn of cells.keys()) {
      const index = (round + turn) % cells.length;
      const cell = cells[index];
      if (cell === undefined || (slow.has(cell) && round > SLOW_ROUNDS)) continue;
      const start = performance.now();
      const figures = await cell.measure();
      if (round === 0 && performance.now() - start > SLOW_MS) slow.add(cell);
      if (round === 0) continue;
      for (const [metric, figure] of Object.entries(figures)) {
        samples[index]?.set(metric, [...(samples[index].get(metric) ?? []), figure]);
      }
    }
  }
  return cells.flatMap(({ subject, size, floor = false }, index) =>
    [...(samples[index] ?? [])].map(([metric, figures]) => ({
      part: options.part,
      metric,
      subject,
      ...(size === undefined ? {} : { size }),
      unit: options.unit,
      floor,
      samples: figures,
    })),
  );
}
