import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { execa } from 'execa';
import type { TestResult } from '../../run-tests.ts';

const RUNNER = new URL('../../run-tests.ts', import.meta.url).href;

/** Test files that must not pass for good ones, and one good one. */
const FILES = {
  good: `it('ok', () => {});`,
  nested: `describe('a', () => { describe('b', () => { it('c', () => {}); }); it('d', () => {}); });`,
  fails: `it('bad', () => { throw new Error('no'); });`,
  crashes: `it('ok', () => {}); throw new Error('top level');`,
  'after-hook': `describe('s', () => { after(() => { throw new Error('no'); }); it('ok', () => {}); });`,
  'suite-body': `describe('s', () => { it('ok', () => {}); throw new Error('no'); });`,
  empty: `export {};`,
  'empty-suite': `describe('s', () => {});`,
  exits: `it('ok', () => {}); it('exits', () => process.exit(0)); it('bad', () => { throw new Error('no'); });`,
  skips: `describe('s', { skip: 'because' }, () => { it('ok', () => {}); });`,
  spins: `it('spins', () => { for (;;); });`,
  lingers: `it('ok', () => {}); setInterval(() => {}, 1000);`,
};

describe('runTests', () => {
  let dir: string;

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'run-tests-'));
    for (const [name, body] of Object.entries(FILES)) {
      await writeFile(
        join(dir, `${name}.mjs`),
        `import { after, describe, it } from 'node:test';\n${body}\n`,
      );
    }
  });
  after(async () => {
    await rm(dir, { recursive: true });
  });

  /** In a process of its own: node refuses a runner inside a runner. */
  const run = async (names: readonly (keyof typeof FILES)[], timeout: number): Promise<TestResult> => {
    const files = JSON.stringify(names.map((name) => `${name}.mjs`));
    const script = `import { runTests } from ${JSON.stringify(RUNNER)};
      process.stderr.write(JSON.stringify(await runTests(${files}, 1, ${timeout})));`;
    await writeFile(join(dir, 'runner.mjs'), script);
    const { stderr } = await execa(process.execPath, ['runner.mjs'], {
      cwd: dir,
      env: { NODE_TEST_CONTEXT: undefined },
    });
    return JSON.parse(stderr) as TestResult;
  };

  it('takes good and skipped tests for a success', async () => {
    const { figures, success, silent, skipped } = await run(['good', 'skips'], 60_000);
    assert.equal(success, true);
    assert.deepEqual(silent, []);
    assert.equal(figures.pass, 1);
    assert.deepEqual(skipped, [{ name: 's', reason: 'because' }]);
  });

  it('tells how each test ended, with the suites that it is in', async () => {
    const { outcomes } = await run(['nested', 'skips', 'fails'], 60_000);
    assert.deepEqual(outcomes, [
      { path: ['a', 'b', 'c'], state: 'passed' },
      { path: ['a', 'b'], state: 'passed' },
      { path: ['a', 'd'], state: 'passed' },
      { path: ['a'], state: 'passed' },
      { path: ['s'], state: 'skipped' },
      { path: ['bad'], state: 'failed' },
    ]);
  });

  for (const name of ['fails', 'crashes', 'after-hook', 'suite-body'] as const) {
    it(`takes a file that ${name} for a failure`, async () => {
      assert.equal((await run([name, 'good'], 60_000)).success, false);
    });
  }

  it('names files that end without a test', async () => {
    const { silent } = await run(['empty', 'good', 'empty-suite', 'exits'], 60_000);
    assert.deepEqual(silent, ['empty.mjs', 'empty-suite.mjs', 'exits.mjs']);
  });

  for (const name of ['spins', 'lingers'] as const) {
    it(`kills a file that ${name}, and fails`, async () => {
      assert.equal((await run([name], 1000)).success, false);
    });
  }
});
