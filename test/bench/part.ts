import type { Measurement } from './measurement.ts';
import type { World } from './world.ts';

export interface PartOptions {
  readonly rounds: number;
  /** Sizes of closures, ascending. */
  readonly paths: readonly number[];
  /** A smoke run: little of everything. */
  readonly quick: boolean;
}

/** A part of the benchmark that can be run alone. */
export interface Part {
  readonly letter: string;
  readonly title: string;
  /** How the figures are to be read, for the report. */
  readonly about: string;
  run(world: World, options: PartOptions): Promise<readonly Measurement[]>;
}
