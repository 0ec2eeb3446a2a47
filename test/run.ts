import { glob } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { execa } from 'execa';
import { unprovenClaims } from '../docs/generate/claims.ts';
import { FULL } from './full.ts';
import { recordResults } from './results.ts';
import { prepareTestbed } from './prepare.ts';
import { CLUSTER_COMPONENTS, COMPONENTS } from './sandbox/components.ts';
import { addResults, runTests, skippedLines, summaryLines, type TestResult } from './run-tests.ts';
import { printMinutes, Stopwatch } from './stopwatch.ts';

/**
 * `npm test`: static checks, then all that the tests need (bundle, Debian folders, Go tools), then the suites one after
 * the other with node's test runner, whose summary comes last. `--full` adds what does not fit into CI: `*.full.ts`, and
 * more releases of containerd and Nix. Names of suites or files choose: `npm test -- unit`, `npm test -- test/unit/rpc/server.test.ts`.
 */
const SUITES = [
  { suite: 'unit', concurrency: 2 },
  { suite: 'contract', concurrency: 1 },
  { suite: 'integration', concurrency: 4 },
  { suite: 'e2e', concurrency: 2 },
] as const;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { full: { type: 'boolean', default: false } },
});

/** No file of tests may take longer, in milliseconds: a hang is a failure. Fuzzing in full takes 100 minutes on two processors. */
const TIMEOUT = (values.full ? 120 : 20) * 60_000;

if (values.full) process.env[FULL] = 'yes';

const watch = new Stopwatch();
const checked =
  positionals.length > 0 || (await watch.time('check', () => succeeds('npm', ['run', '--silent', 'check'])));
if (!(await watch.time('bundle', () => succeeds('node', ['build.ts']))))
  throw new Error('the bundle was not built');
const chosen = await Promise.all(
  SUITES.map(async ({ suite, concurrency }) => ({ suite, concurrency, files: await filesOf(suite) })),
);
// Nobody waits for a Kubernetes to be built who runs none of its tests.
const cluster = chosen.some(({ suite, files }) => suite === 'e2e' && files.length > 0);
const components = COMPONENTS.filter((component) => cluster || !CLUSTER_COMPONENTS.includes(component));
const versions = await watch.time('test bed', async () => await prepareTestbed(components));

const results: TestResult[] = [];
for (const { suite, concurrency, files } of chosen) {
  if (files.length === 0) continue;
  results.push(await watch.time(suite, () => runTests(files, concurrency, TIMEOUT)));
}
const total = addResults(results);
if (total.figures.tests === 0) throw new Error(`no test matches ${positionals.join(' ')}`);

printMinutes(watch.entries());
for (const line of skippedLines(total.skipped)) process.stdout.write(`not run: ${line}\n`);
process.stdout.write(summaryLines(total));
const whole = positionals.length === 0;
const recorded = await recordResults({ outcomes: total.outcomes, whole, versions });
const unproven = whole ? await unprovenClaims(recorded) : [];
for (const claim of unproven) process.stdout.write(`${claim}\n`);
const unexplained = total.skipped.filter(({ reason }) => !reason.includes('is not available: '));
const skipFails = Boolean(process.env['CI']) && (unexplained.length > 0 || total.figures.todo > 0);
if (skipFails) process.stdout.write('with CI set a skipped or todo test is a failure\n');
for (const file of total.silent) process.stdout.write(`${file} ended without a test: that is a failure\n`);
if (!total.success) process.stdout.write('a test, a hook or a suite failed, see above\n');
if (!checked) process.stdout.write('npm run check failed, see above\n');
const broken = total.figures.fail + total.figures.cancelled > 0 || !total.success || total.silent.length > 0;
process.exitCode = broken || skipFails || unproven.length > 0 || !checked ? 1 : 0;

/** Runs a command with its output shown; true when it exits with 0. */
async function succeeds(program: string, args: readonly string[]): Promise<boolean> {
  const { failed } = await execa(program, args, { stdio: 'inherit', reject: false });
  return !failed;
}

async function filesOf(suite: string): Promise<readonly string[]> {
  const pattern = values.full ? `test/${suite}/**/*.{test,full}.ts` : `test/${suite}/**/*.test.ts`;
  const all = (await Array.fromAsync(glob(pattern))).toSorted();
  if (positionals.length === 0) return all;
  return all.filter((file) => positionals.some((name) => file === name || file.startsWith(`test/${name}/`)));
}
