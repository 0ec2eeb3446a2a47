import { type Measurement, median } from '../measurement.ts';
import { PARALLEL } from '../parts/parallel.ts';
import { FIRST_IMAGE, FURTHER_IMAGE } from '../parts/unpack.ts';
import type { Chart, Series } from './line-chart.ts';

/** What is plotted: file name, metric, what its sizes are. */
const PLOTS = [
  { file: 'start.svg', metric: 'ctr run --rm', xLabel: 'store paths of the closure' },
  { file: 'parallel.svg', metric: `${PARALLEL} × ctr run --rm`, xLabel: 'store paths of the closure' },
  { file: 'first-image.svg', metric: FIRST_IMAGE, xLabel: 'store paths of the closure' },
  { file: 'further-image.svg', metric: FURTHER_IMAGE, xLabel: 'store paths of the closure' },
  { file: 'prepare.svg', metric: 'Prepare', xLabel: 'store paths of the closure' },
  { file: 'mounts.svg', metric: 'Mounts', xLabel: 'store paths of the closure' },
  { file: 'snapshots.svg', metric: 'Prepare, with so many snapshots', xLabel: 'snapshots' },
] as const;

export interface Plot {
  readonly file: string;
  readonly chart: Chart;
}

/** The charts of what was measured at two sizes at least. */
export function plotsOf(measurements: readonly Measurement[]): readonly Plot[] {
  return PLOTS.flatMap(({ file, metric, xLabel }) => {
    const group = measurements.filter((measurement) => measurement.metric === metric);
    const sizes = [...new Set(group.flatMap(({ size }) => size ?? []))].toSorted((one, other) => one - other);
    if (sizes.length < 2) return [];
    const subjects = [...new Set(group.map(({ subject }) => subject))];
    const series = subjects.map((subject) => seriesOf(group, subject, sizes));
    return [{ file, chart: { title: metric, xLabel, yLabel: group[0]?.unit ?? '', series } }];
  });
}

/** A floor without sizes is the same at all sizes of its part. */
function seriesOf(group: readonly Measurement[], subject: string, sizes: readonly number[]): Series {
  const own = group.filter((measurement) => measurement.subject === subject);
  const points = sizes.flatMap((size): readonly (readonly [number, number])[] => {
    const part = group.find((measurement) => measurement.size === size)?.part;
    const found =
      own.find((measurement) => measurement.size === size) ??
      own.find((measurement) => measurement.size === undefined && measurement.part === part);
    return found === undefined ? [] : [[size, median(found.samples)]];
  });
  return { name: subject, points, floor: own.some(({ floor }) => floor) };
}
