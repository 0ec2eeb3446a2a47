import { floorOf, judge } from './goals.ts';
import { figure, type Measurement, median } from './measurement.ts';

/** A table of texts, the first row being the heads. */
export type Table = { readonly title: string; readonly rows: readonly (readonly string[])[] };

/**
 * A table for each metric: a row for each size, a column for each subject, the floor first. A cell is the median and, in
 * brackets, its ratio to the floor; medians of fewer samples than `rounds` say of how many.
 */
export function tablesOf(measurements: readonly Measurement[], rounds: number): readonly Table[] {
  const byMetric = Map.groupBy(measurements, ({ metric }) => metric);
  return [...byMetric].map(([metric, group]) => {
    const subjects = [...new Set(group.toSorted(floorsFirst).map(({ subject }) => subject))];
    const sizes = [...new Set(group.flatMap(({ size }) => size ?? []))].toSorted((one, other) => one - other);
    const rows = (sizes.length === 0 ? [undefined] : sizes).map((size) => [
      size === undefined ? '' : size.toLocaleString('en'),
      ...subjects.map((subject) => cellText(cellOf(group, subject, size), group, rounds)),
    ]);
    const unit = group[0]?.unit ?? '';
    return { title: `${metric} (${unit})`, rows: [[sizes.length === 0 ? '' : 'size', ...subjects], ...rows] };
  });
}

/** What a subject's figures are by the goals. */
export function verdictTable(measurements: readonly Measurement[], subject: string): Table {
  const rows = judge(measurements, subject).map(({ goal, measured, met }) => [
    goal,
    measured,
    met ? 'met' : 'missed',
  ]);
  return { title: `Goals, with view ${subject}`, rows: [['goal', 'measured', ''], ...rows] };
}

/** For a terminal. */
export function plainText({ title, rows }: Table): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const lines = rows.map((row) =>
    row
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('  '),
  );
  return `${title}\n${lines.map((line) => `  ${line.trimEnd()}\n`).join('')}`;
}

/** For a document. */
export function markdown({ title, rows }: Table): string {
  const [heads = [], ...rest] = rows;
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |\n`;
  return `**${title}**\n\n${line(heads)}${line(heads.map(() => '---'))}${rest.map(line).join('')}`;
}

function floorsFirst(one: Measurement, other: Measurement): number {
  return Number(other.floor) - Number(one.floor);
}

/** The measurement of a subject at a size; one without a size, such as the floor, stands in every row of its part. */
function cellOf(
  group: readonly Measurement[],
  subject: string,
  size: number | undefined,
): Measurement | undefined {
  const own = group.filter((measurement) => measurement.subject === subject);
  const exact = own.find((measurement) => measurement.size === size);
  if (exact !== undefined) return exact;
  const part = group.find((measurement) => measurement.size === size)?.part;
  return own.find((measurement) => measurement.size === undefined && measurement.part === part);
}

function cellText(cell: Measurement | undefined, group: readonly Measurement[], rounds: number): string {
  if (cell === undefined) return '';
  const value = median(cell.samples);
  const floor = cell.floor ? undefined : floorOf(cell, group);
  const ratio = floor === undefined ? '' : ` (${(value / median(floor.samples)).toFixed(2)})`;
  const few = cell.samples.length < rounds && cell.samples.length > 1 ? ` [${cell.samples.length}]` : '';
  return `${figure(value)}${ratio}${few}`;
}
