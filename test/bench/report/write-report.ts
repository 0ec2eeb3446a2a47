import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { projectRoot } from '../../sandbox/layout.ts';
import type { BenchResult } from '../measurement.ts';
import { markdown, tablesOf, verdictTable } from '../tables.ts';
import { lineChart } from './line-chart.ts';
import { plotsOf } from './plots.ts';

const DOCUMENT = join(projectRoot, 'docs/performance.md');
const PLOTS = 'performance';
const BEGIN = '<!-- figures: written by npm run bench -- --report -->\n';
const END = '<!-- end of figures -->';

/**
 * Writes the figures of a run into docs/performance.md, between its marks, and the plots beside it.
 *
 * @throws Error when the file is of a smoke run, or the document lacks the marks.
 */
export async function writeReport(file: string): Promise<void> {
  const result = JSON.parse(await readFile(file, 'utf8')) as BenchResult;
  if (result.quick) throw new Error(`${file} is of a smoke run (--quick): run the benchmark without it`);
  const document = await readFile(DOCUMENT, 'utf8');
  const [begin, end] = [document.indexOf(BEGIN), document.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`${DOCUMENT} lacks the lines "${BEGIN.trim()}" and "${END}"`);
  const directory = join(projectRoot, 'docs', PLOTS);
  await mkdir(directory, { recursive: true });
  const plots = plotsOf(result.measurements);
  for (const plot of plots) await writeFile(join(directory, plot.file), lineChart(plot.chart));
  const images = plots.map((plot) => `![${plot.chart.title}](${PLOTS}/${plot.file})\n`);
  const figures = [...facts(result), ...images, ...tables(result)].join('\n');
  await writeFile(DOCUMENT, `${document.slice(0, begin + BEGIN.length)}\n${figures}\n${document.slice(end)}`);
}

function facts({ date, rounds, setup, missing, minutes }: BenchResult): readonly string[] {
  const lines = [
    `${date.slice(0, 10)}, medians of ${rounds} rounds; in brackets the ratio to the floor, the first column.`,
    ...Object.entries(setup).map(([name, value]) => `${name}: ${value}.`),
    ...missing.map((reason) => `Left out: ${reason}.`),
    `Minutes: ${minutes.map(({ part, milliseconds }) => `${part} ${(milliseconds / 60_000).toFixed(1)}`).join(', ')}.`,
  ];
  return [lines.map((line) => `- ${line}\n`).join('')];
}

function tables({ measurements, ours, rounds }: BenchResult): readonly string[] {
  return [verdictTable(measurements, ours), ...tablesOf(measurements, rounds)].map(markdown);
}
