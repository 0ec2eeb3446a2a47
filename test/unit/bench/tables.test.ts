import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { judge } from '../../bench/goals.ts';
import type { Measurement } from '../../bench/measurement.ts';
import { lineChart } from '../../bench/report/line-chart.ts';
import { plotsOf } from '../../bench/report/plots.ts';
import { markdown, plainText, tablesOf } from '../../bench/tables.ts';

const run = (subject: string, samples: readonly number[], size?: number): Measurement => ({
  part: 'c',
  metric: 'ctr run --rm',
  subject,
  ...(size === undefined ? {} : { size }),
  unit: 'ms',
  floor: subject === 'floor',
  samples,
});

const MEASURED = [
  run('floor', [100, 90, 300]),
  run('overlay', [104, 104, 500], 10),
  run('overlay', [105, 1, 106], 1000),
  run('binds', [200, 220, 240], 1000),
];

describe('the figures of the benchmark', () => {
  it('has a row for each size, a column for each subject, ratios of medians to the floor', () => {
    const [table] = tablesOf(MEASURED, 3);
    assert.deepEqual(table?.rows, [
      ['size', 'floor', 'overlay', 'binds'],
      ['10', '100', '104 (1.04)', ''],
      ['1,000', '100', '105 (1.05)', '220 (2.20)'],
    ]);
    assert.match(plainText(table), /^ctr run --rm \(ms\)\n {2}size {3}floor {5}overlay/);
    assert.match(markdown(table), /\| 1,000 \| 100 \| 105 \(1\.05\) \| 220 \(2\.20\) \|/);
  });

  it('says where a median is of fewer rounds', () => {
    const [table] = tablesOf(MEASURED, 7);
    assert.equal(table?.rows[2]?.[3], '220 (2.20) [3]');
  });

  it('judges a subject by the goals for its size, and by no goal without figures', () => {
    assert.deepEqual(
      [judge(MEASURED, 'overlay'), judge(MEASURED, 'binds'), judge(MEASURED, 'store')],
      [
        [{ goal: 'ctr run --rm, 1000 paths: ≤ 1.05 × the floor', measured: '1.05 ×', met: true }],
        [{ goal: 'ctr run --rm, 1000 paths: ≤ 1.05 × the floor', measured: '2.20 ×', met: false }],
        [],
      ],
    );
  });

  it('draws the floor at every size of its part', () => {
    const [plot] = plotsOf(MEASURED);
    assert.deepEqual(
      plot?.chart.series.map(({ name, points, floor }) => ({ name, points, floor })),
      [
        {
          name: 'floor',
          points: [
            [10, 100],
            [1000, 100],
          ],
          floor: true,
        },
        {
          name: 'overlay',
          points: [
            [10, 104],
            [1000, 105],
          ],
          floor: false,
        },
        { name: 'binds', points: [[1000, 220]], floor: false },
      ],
    );
    assert.equal(lineChart(plot.chart).match(/<polyline/g)?.length, 3);
  });
});
