import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { execa } from 'execa';
import type { BenchResult } from '../bench/measurement.ts';
import { projectRoot } from '../sandbox/layout.ts';
import { matrix } from './support/matrix.ts';

const [row] = await matrix(['1.7']);

/** The cheap parts, so that the benchmark works when somebody needs it; no figure is judged. */
describe('npm run bench', { skip: row?.skip ?? false }, () => {
  it('measures starts and calls of every view and of the floor, and keeps the figures', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'bench-test-'));
    try {
      const json = join(directory, 'figures.json');
      const options = ['--quick', '--rounds', '1', '--only', 'c,e', '--paths', '10', '--json', json];
      const { stdout } = await execa('node', ['test/bench/run.ts', ...options], { cwd: projectRoot });
      assert.match(stdout, /these figures are no claim/);
      assert.match(stdout, /ctr run --rm \(ms\)/);
      const { quick, measurements } = JSON.parse(await readFile(json, 'utf8')) as BenchResult;
      assert.equal(quick, true);
      for (const [metric, floor] of [
        ['ctr run --rm', 'floor'],
        ['Prepare', 'overlayfs'],
      ]) {
        const found = measurements.filter((measurement) => measurement.metric === metric);
        const subjects = new Set(found.map(({ subject }) => subject));
        for (const subject of [floor, 'binds', 'store'])
          assert.ok(subjects.has(subject ?? ''), `${metric}: ${subject}`);
        for (const { samples } of found)
          assert.ok(samples.length > 0 && samples.every((sample) => sample > 0));
      }
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});
