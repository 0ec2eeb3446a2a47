import { plainText, type Table } from '../bench/tables.ts';
import { judge } from './goals.ts';
import type { SoakResult } from './soak.ts';

const SHOWN_FAILURES = 20;

/** The tables of a soak as text. */
export function report(result: SoakResult): string {
  const failures = result.failures.slice(0, SHOWN_FAILURES).map((failure) => `failed: ${failure}\n`);
  return `${[held(result), done(result), goals(result)].map(plainText).join('\n')}${failures.join('')}`;
}

function held({ process, before, after }: SoakResult): Table {
  const mib = (value: number): string => value.toFixed(1);
  return {
    title: 'What is there',
    rows: [
      ['', 'started', 'before', 'peak', 'after'],
      [
        'resident memory of the daemon, MiB',
        mib(process.idle.residentMiB),
        mib(process.before.residentMiB),
        mib(process.peakMiB),
        mib(process.after.residentMiB),
      ],
      ...(['descriptors', 'threads'] as const).map((name) => [
        `${name} of the daemon`,
        `${process.idle[name]}`,
        `${process.before[name]}`,
        '',
        `${process.after[name]}`,
      ]),
      ...Object.entries(after).map(([name, count]) => [name, '', `${before[name]}`, '', `${count}`]),
    ],
  };
}

function done({ operations, milliseconds }: SoakResult): Table {
  const rounded = (value: number): string => Math.round(value).toLocaleString('en');
  return {
    title: `What was done in ${(milliseconds / 60_000).toFixed(1)} minutes (milliseconds)`,
    rows: [
      ['', 'times', 'median', '95 %', 'longest'],
      ...operations
        .toSorted((one, other) => one.name.localeCompare(other.name))
        .map(({ name, count, median, p95, longest }) => [
          name,
          `${count}`,
          ...[median, p95, longest].map(rounded),
        ]),
    ],
  };
}

function goals(result: SoakResult): Table {
  return {
    title: 'Goals',
    rows: [
      ['', 'measured', ''],
      ...judge(result).map(({ goal, measured, met }) => [goal, measured, met ? 'met' : 'MISSED']),
    ],
  };
}
