/** What was measured of one subject, in every round. */
export interface Measurement {
  /** Letter of the part of the benchmark. */
  readonly part: string;
  /** What was done, such as `ctr run --rm`. */
  readonly metric: string;
  /** Who did it. */
  readonly subject: string;
  /** What it depends on: store paths of the closure, or snapshots; absent when on neither. */
  readonly size?: number;
  readonly unit: string;
  /** True for what the others are compared with. */
  readonly floor: boolean;
  /** One figure for each round. */
  readonly samples: readonly number[];
}

/** A run of the benchmark, as its JSON file has it. */
export interface BenchResult {
  readonly format: 1;
  readonly date: string;
  /** The view that ours is judged with. */
  readonly ours: string;
  /** A smoke run: its figures are no claim. */
  readonly quick: boolean;
  readonly rounds: number;
  /** Facts about the machine and the programs, by name. */
  readonly setup: Readonly<Record<string, string>>;
  /** What was left out, with the reason. */
  readonly missing: readonly string[];
  readonly minutes: readonly { readonly part: string; readonly milliseconds: number }[];
  readonly measurements: readonly Measurement[];
}

/** The middle one of the figures, the higher of two; NaN for none. */
export function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? Number.NaN;
}

/** A figure as text: three digits that count, or all of a greater number. */
export function figure(value: number): string {
  if (value >= 100) return Math.round(value).toLocaleString('en');
  return Number.isInteger(value) ? `${value}` : value.toPrecision(3);
}
