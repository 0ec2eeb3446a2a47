import { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { relative, resolve } from 'node:path';

/** Node's own closing figures, in its order. */
const FIGURES = ['tests', 'suites', 'pass', 'fail', 'cancelled', 'skipped', 'todo'] as const;
type Figures = Record<(typeof FIGURES)[number], number>;

export interface Skipped {
  readonly name: string;
  readonly reason: string;
}

/** How a test or suite ended. */
export interface Outcome {
  /** Its name after those of the suites that it is in. */
  readonly path: readonly string[];
  readonly state: 'passed' | 'failed' | 'skipped';
}

/** What one run of node's test runner, or several together, came to. */
export interface TestResult {
  readonly figures: Figures;
  readonly durationMs: number;
  /** Each test or suite that was skipped. */
  readonly skipped: readonly Skipped[];
  readonly outcomes: readonly Outcome[];
  /** Whether node calls it a success: unlike the figures, it knows of failed hooks and suites. */
  readonly success: boolean;
  /** Files without a test that ran or was skipped: empty, or ended (by `process.exit(0)`, say) before their tests did. */
  readonly silent: readonly string[];
}

/**
 * Runs test files with node's runner, printing as its `spec` reporter does, but for the closing figures.
 *
 * @param timeout milliseconds for a test, and for a file of them. Files that go on when all that time nothing was heard are killed:
 *   node itself ends a test that waits, but neither one that spins nor a file whose timers or sockets stay open.
 */
export async function runTests(
  files: readonly string[],
  concurrency: number,
  timeout: number,
): Promise<TestResult> {
  const figures: Figures = { tests: 0, suites: 0, pass: 0, fail: 0, cancelled: 0, skipped: 0, todo: 0 };
  const skipped: Skipped[] = [];
  const outcomes: Outcome[] = [];
  /** The suites around the test that is reported: node reports one file after the other, in the order of their tests. */
  const path: string[] = [];
  let durationMs = 0;
  let success = true;
  const silent = new Set(files.map((file) => resolve(file)));
  const hung = new AbortController();
  const watchdog = setTimeout(() => hung.abort(), timeout * 1.5);
  const events = run({ files: [...silent], concurrency, timeout, signal: hung.signal });
  async function* reported() {
    for await (const event of events) {
      watchdog.refresh();
      if (event.type === 'test:summary') {
        success &&= event.data.success;
        if (event.data.file !== undefined && event.data.counts.tests > 0) silent.delete(event.data.file);
      }
      if (event.type === 'test:summary' && event.data.file === undefined) {
        const { counts } = event.data;
        figures.tests += counts.tests;
        figures.suites += counts.suites;
        figures.pass += counts.passed;
        figures.cancelled += counts.cancelled;
        figures.todo += counts.todo;
        figures.fail += counts.tests - counts.passed - counts.cancelled - counts.skipped - counts.todo;
        durationMs += event.data.duration_ms;
      }
      if (event.type === 'test:pass' && event.data.skip !== undefined) {
        const reason = typeof event.data.skip === 'string' ? event.data.skip : 'no reason given';
        // Node leaves a skipped suite out of its figures.
        figures.skipped += 1;
        skipped.push({ name: event.data.name, reason });
        if (event.data.file !== undefined) silent.delete(event.data.file);
      }
      if (event.type === 'test:start') path.splice(event.data.nesting, path.length, event.data.name);
      if (event.type === 'test:pass' || event.type === 'test:fail') {
        const { name, nesting, skip } = event.data;
        const ended = skip === undefined ? 'passed' : 'skipped';
        outcomes.push({
          path: [...path.slice(0, nesting), name],
          state: event.type === 'test:fail' ? 'failed' : ended,
        });
      }
      const closing = event.type === 'test:diagnostic' && event.data.file === undefined;
      if (!closing) yield event;
    }
  }
  const output = Readable.from(reported()).compose(new spec());
  output.pipe(process.stdout, { end: false });
  try {
    await finished(output, { writable: false });
  } finally {
    clearTimeout(watchdog);
  }
  const ranNothing = success ? [...silent].map((file) => relative('', file)) : [];
  return { figures, durationMs, skipped, outcomes, success, silent: ranNothing };
}

/** The figures of several runs added up. */
export function addResults(results: readonly TestResult[]): TestResult {
  const figures: Figures = { tests: 0, suites: 0, pass: 0, fail: 0, cancelled: 0, skipped: 0, todo: 0 };
  for (const result of results) for (const name of FIGURES) figures[name] += result.figures[name];
  return {
    figures,
    durationMs: results.reduce((sum, result) => sum + result.durationMs, 0),
    skipped: results.flatMap((result) => result.skipped),
    outcomes: results.flatMap((result) => result.outcomes),
    success: results.every((result) => result.success),
    silent: results.flatMap((result) => result.silent),
  };
}

/** The closing lines of node's `spec` reporter. */
export function summaryLines({ figures, durationMs }: TestResult): string {
  const lines = FIGURES.map((name) => `ℹ ${name} ${figures[name]}`);
  return `${[...lines, `ℹ duration_ms ${durationMs}`].join('\n')}\n`;
}

/** A line for each reason, with what it kept from running. */
export function skippedLines(skipped: readonly Skipped[]): readonly string[] {
  const byReason = Map.groupBy(skipped, ({ reason }) => reason);
  return [...byReason].map(([reason, group]) => `${reason}: ${group.map(({ name }) => name).join('; ')}`);
}
