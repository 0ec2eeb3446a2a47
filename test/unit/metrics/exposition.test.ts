import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { MetricDefinition } from '../../../src/metrics/definitions.ts';
import { exposition, formatFor } from '../../../src/metrics/exposition.ts';
import { Counter, family, Histogram } from '../../../src/metrics/samples.ts';

const info: MetricDefinition<'a' | 'b'> = {
  name: 'x_info',
  type: 'info',
  help: 'One\n"two" \\.',
  labels: ['a', 'b'],
};
const counter: MetricDefinition<'of'> = { name: 'x_total', type: 'counter', help: 'Sum.', labels: ['of'] };
const histogram: MetricDefinition = {
  name: 'x_seconds',
  type: 'histogram',
  help: 'How long.',
  labels: [],
  buckets: [0.5, 1],
};

function families() {
  const sum = new Counter(counter);
  sum.add(0, { of: 'nothing' });
  sum.add(1.5, { of: 'a' });
  sum.add(2, { of: 'a' });
  const times = new Histogram(histogram);
  for (const seconds of [0.5, 0.7, 0.7, 9]) times.observe(seconds, {});
  return [family(info, [[1, { a: 'back\\slash', b: 'li\nne "q"' }]]), sum.family(), times.family()];
}

describe('an exposition', () => {
  it('in the text format', () => {
    const expected = String.raw`# HELP x_info One\n"two" \\.
# TYPE x_info gauge
x_info{a="back\\slash",b="li\nne \"q\""} 1
# HELP x_total Sum.
# TYPE x_total counter
x_total{of="nothing"} 0
x_total{of="a"} 3.5
# HELP x_seconds How long.
# TYPE x_seconds histogram
x_seconds_bucket{le="0.5"} 1
x_seconds_bucket{le="1.0"} 3
x_seconds_bucket{le="+Inf"} 4
x_seconds_sum 10.9
x_seconds_count 4
`;
    assert.equal(exposition(families(), 'text'), expected);
  });

  it('in OpenMetrics', () => {
    const lines = exposition(families(), 'openmetrics').split('\n');
    assert.deepEqual(lines.slice(0, 2), [String.raw`# HELP x One\n\"two\" \\.`, '# TYPE x info']);
    assert.deepEqual(lines.slice(3, 7), [
      '# HELP x Sum.',
      '# TYPE x counter',
      'x_total{of="nothing"} 0',
      'x_total{of="a"} 3.5',
    ]);
    assert.deepEqual(lines.slice(-2), ['# EOF', '']);
  });

  it('shows metrics without labels from the start, so that their first increase is one', () => {
    const sum = new Counter({ ...counter, labels: [] });
    assert.deepEqual(sum.family().samples, [{ suffix: '', labels: [], value: 0 }]);
    assert.equal(new Histogram(histogram).family().samples.at(-1)?.value, 0);
  });
});

describe('the format of an answer', () => {
  const openmetrics = 'application/openmetrics-text;version=1.0.0';
  const cases: readonly [accept: string | undefined, format: string][] = [
    [undefined, 'text'],
    ['*/*', 'text'],
    [openmetrics, 'openmetrics'],
    ['application/openmetrics-text', 'openmetrics'],
    // What Prometheus 2.53 sends.
    [
      `${openmetrics};q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2`,
      'openmetrics',
    ],
    ['application/openmetrics-text;version=9.0.0,text/plain', 'text'],
    [`${openmetrics};q=0.1,text/plain;q=0.9`, 'text'],
    [`${openmetrics};q=0`, 'text'],
    [`${openmetrics};q=x`, 'text'],
    [',;,=;q=', 'text'],
  ];
  for (const [accept, format] of cases)
    it(`${accept ?? 'nothing'}: ${format}`, () => assert.equal(formatFor(accept), format));
});
