import { figure, type Measurement, median } from './measurement.ts';
import { AFTER_CALLS, AFTER_PARALLEL, BROKEN_STARTUP, IDLE, STARTUP } from './parts/memory.ts';
import { FILE_CACHE } from './parts/pull.ts';
import { PARALLEL } from './parts/parallel.ts';
import { FIRST_IMAGE, FURTHER_IMAGE, LEGACY_IMAGE } from './parts/unpack.ts';

/** Store paths of the closure that goals are set for. */
const SIZE = 1000;

/** A limit for one metric: an absolute figure, or a factor of another figure of the same metric. */
interface Goal {
  readonly metric: string;
  /** Absent for metrics that do not depend on it. */
  readonly size?: number;
  readonly limit: number;
  /** What the limit is a factor of; absent for an absolute one. */
  readonly of?: 'floor' | 'Go' | { readonly size: number };
}

const GOALS: readonly Goal[] = [
  { metric: 'ctr run --rm', size: SIZE, limit: 1.05, of: 'floor' },
  { metric: `${PARALLEL} × ctr run --rm`, size: SIZE, limit: 1.1, of: 'floor' },
  { metric: 'mounts on the host for one container', size: SIZE, limit: 1 },
  ...['Prepare', 'Mounts'].flatMap((metric): readonly Goal[] => [
    { metric, size: 10, limit: 2, of: 'floor' },
    { metric, size: SIZE, limit: 2, of: 'floor' },
    { metric, size: SIZE, limit: 1.2, of: { size: 10 } },
  ]),
  { metric: FIRST_IMAGE, size: SIZE, limit: 90 },
  { metric: FIRST_IMAGE, size: SIZE, limit: 1, of: 'Go' },
  { metric: FURTHER_IMAGE, size: SIZE, limit: 60 },
  { metric: FURTHER_IMAGE, size: SIZE, limit: 1.2, of: { size: 10 } },
  { metric: LEGACY_IMAGE, size: SIZE, limit: 120 },
  { metric: FILE_CACHE, size: SIZE, limit: 1.05, of: 'floor' },
  { metric: FILE_CACHE, size: SIZE, limit: 1, of: 'Go' },
  { metric: IDLE, limit: 75 },
  { metric: AFTER_PARALLEL, limit: 120 },
  { metric: AFTER_CALLS, limit: 150 },
  { metric: STARTUP, limit: 300 },
  { metric: BROKEN_STARTUP, limit: 2000 },
];

/** A goal beside what was measured of one subject. */
export interface Verdict {
  readonly goal: string;
  /** In the goal's terms: a figure with its unit, or a factor. */
  readonly measured: string;
  readonly met: boolean;
}

/** Says of each goal that there are figures for whether a subject meets it. */
export function judge(measurements: readonly Measurement[], subject: string): readonly Verdict[] {
  return GOALS.flatMap((goal) => {
    const own = measurements.find(
      (measurement) => measurement.subject === subject && isOf(goal, measurement),
    );
    if (own === undefined) return [];
    const base = goal.of === undefined ? undefined : baseOf(goal, own, measurements);
    if (goal.of !== undefined && base === undefined) return [];
    const value = median(own.samples) / (base === undefined ? 1 : median(base.samples));
    const measured = base === undefined ? `${figure(value)} ${own.unit}` : `${value.toFixed(2)} ×`;
    return [{ goal: describe(goal, own.unit), measured, met: value <= goal.limit }];
  });
}

function isOf(goal: Goal, { metric, size }: Measurement): boolean {
  return metric === goal.metric && (goal.size === undefined || size === goal.size);
}

function baseOf({ of }: Goal, own: Measurement, all: readonly Measurement[]): Measurement | undefined {
  const same = all.filter(({ metric, part }) => metric === own.metric && part === own.part);
  if (of === 'floor') return floorOf(own, same);
  if (of === 'Go') return same.find(({ subject, size }) => subject === 'Go' && size === own.size);
  return same.find(({ subject, size }) => subject === own.subject && size === of?.size);
}

/** What a measurement is compared with: the floor of its metric and part, at its size where the floor has sizes. */
export function floorOf(own: Measurement, all: readonly Measurement[]): Measurement | undefined {
  return all.find(
    ({ floor, metric, part, size }) =>
      floor && metric === own.metric && part === own.part && (size === undefined || size === own.size),
  );
}

function describe({ metric, size, limit, of }: Goal, unit: string): string {
  const what = size === undefined ? metric : `${metric}, ${size} paths`;
  if (of === undefined) return `${what}: ≤ ${limit} ${unit}`;
  const base = of === 'floor' ? 'the floor' : of === 'Go' ? 'the Go version' : `${of.size} paths`;
  return `${what}: ≤ ${limit} × ${base}`;
}
