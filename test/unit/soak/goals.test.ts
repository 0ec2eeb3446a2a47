import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { judge } from '../../soak/goals.ts';
import { Operations } from '../../soak/operations.ts';
import { report } from '../../soak/report.ts';
import { RUN_BESIDE } from '../../soak/slow-realise.ts';
import type { SoakResult } from '../../soak/soak.ts';

const figures = { residentMiB: 100, descriptors: 30, threads: 11 };
const GOOD: SoakResult = {
  containerd: '2.3.7',
  before: { views: 1, leases: 0 },
  after: { views: 1, leases: 0 },
  process: { idle: figures, before: figures, after: figures, peakMiB: 120 },
  operations: [{ name: RUN_BESIDE, count: 3, median: 100, p95: 200, longest: 300 }],
  failures: [],
  milliseconds: 60_000,
};

const missed = (result: SoakResult) => judge(result).filter(({ met }) => !met);

describe('goals of npm run soak', () => {
  it('are met when nothing failed, grew or stayed', () => {
    assert.deepEqual(missed(GOOD), []);
  });

  it('are missed by what failed, grew or stayed, and name it', () => {
    const { process } = GOOD;
    for (const [change, named] of [
      [{ failures: ['ctr run: no'] }, '1 of 3'],
      [{ process: { ...process, peakMiB: 150 } }, '150.0 MiB'],
      [{ process: { ...process, after: { ...figures, residentMiB: 136 } } }, '36.0 MiB'],
      [{ process: { ...process, after: { ...figures, descriptors: 37 } } }, '30 → 37'],
      [{ process: { ...process, after: { ...figures, threads: 16 } } }, '11 → 16'],
      [{ after: { views: 2, leases: 0 } }, 'views: 1 → 2'],
      [
        { operations: [{ ...(GOOD.operations[0] ?? assert.fail()), longest: 60_000 }] },
        '60.00 s at most, of 3',
      ],
    ] as const)
      assert.deepEqual(
        missed({ ...GOOD, ...change }).map(({ measured }) => measured),
        [named],
      );
    assert.equal(missed({ ...GOOD, operations: [] }).length, 2);
  });

  it('are told with the figures and the failures', () => {
    const text = report({ ...GOOD, failures: ['ctr run: no such path'] });
    assert.match(text, /MISSED/);
    assert.match(text, /^failed: ctr run: no such path$/m);
    assert.match(text, /views +1 +1$/m);
  });
});

describe('Operations', () => {
  it('counts and times what is done, and keeps what failed', async () => {
    const operations = new Operations();
    for (const value of [1, 2])
      assert.equal(await operations.time('a', async () => await Promise.resolve(value)), value);
    await assert.rejects(operations.time('b', async () => await Promise.reject(new Error('broken'))));
    assert.deepEqual(operations.failures, ['b: broken']);
    assert.deepEqual(
      operations.summary().map(({ name, count }) => [name, count]),
      [['a', 2]],
    );
  });
});
