import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import dashboard from '../../../examples/grafana/dashboard.json' with { type: 'json' };
import { METRICS, type MetricDefinition } from '../../../src/metrics/definitions.ts';

const metrics: readonly MetricDefinition[] = Object.values(METRICS);
const rows = metrics.map(({ name, type, labels, help }) => {
  const named = labels.length === 0 ? '' : ` ${labels.map((label) => `\`${label}\``).join(', ')}`;
  return `| \`${name}\` | ${type} |${named} | ${help} |`;
});
/** What Prometheus calls the series of each metric, with their labels. */
const series = new Map(
  metrics.flatMap(({ name, type, labels }) =>
    type === 'histogram'
      ? [
          [`${name}_bucket`, [...labels, 'le']] as const,
          [`${name}_sum`, labels] as const,
          [`${name}_count`, labels] as const,
        ]
      : [[name, labels] as const],
  ),
);
/** Labels that Prometheus sets. */
const OF_TARGET = ['job', 'instance'];

/** What an expression names that the daemon has not: metrics, and labels of them in braces. */
function unknownIn(expression: string): readonly string[] {
  const found: string[] = [];
  for (const [, name = '', braces = ''] of expression.matchAll(
    /\b((?:nix_snapshotter|process|nodejs)_\w+)(?:\{([^}]*)\})?/g,
  )) {
    const labels = series.get(name);
    if (labels === undefined) found.push(name);
    for (const [, label = ''] of braces.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g))
      if (![...OF_TARGET, ...(labels ?? [])].includes(label)) found.push(`${name}{${label}}`);
  }
  return found;
}

interface Rules {
  readonly groups: readonly {
    readonly rules: readonly { readonly alert: string; readonly expr: string }[];
  }[];
}

describe('metrics in pages and examples', () => {
  it('docs/metrics.md has every metric as the daemon describes it, and no other', async () => {
    const page = await readFile('docs/metrics.md', 'utf8');
    const documented = page
      .split('\n')
      .filter((line) => /^\| `\w+` \| (counter|gauge|histogram|info) \|/.test(line));
    assert.deepEqual(documented, rows);
  });

  it('are named as the convention says', () => {
    for (const { name, type, help, labels, buckets } of metrics) {
      assert.match(name, /^(nix_snapshotter|process|nodejs)_[a-z0-9_]+$/);
      assert.equal(name.endsWith('_total'), type === 'counter', name);
      assert.equal(name.endsWith('_info'), type === 'info', name);
      assert.equal(buckets !== undefined, type === 'histogram', name);
      assert.deepEqual(
        buckets,
        buckets?.toSorted((one, other) => one - other),
        name,
      );
      assert.match(help, /^[A-Z].*\.$/);
      for (const label of labels) assert.match(label, /^[a-z_]+$/);
    }
  });

  it('the dashboard shows what there is, and all of it', () => {
    const expressions = dashboard.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));
    assert.deepEqual(expressions.flatMap(unknownIn), []);
    const shown = metrics.filter(({ name }) => expressions.some((expression) => expression.includes(name)));
    // A share of these says more than they do.
    const implied = ['nix_snapshotter_fetched_paths_total', 'process_max_fds', 'process_start_time_seconds'];
    assert.deepEqual(
      metrics.filter((metric) => !shown.includes(metric)).map(({ name }) => name),
      implied,
    );
    const ids = dashboard.panels.map(({ id }) => id);
    assert.equal(new Set(ids).size, ids.length);
  });

  it('alerts, and what pages ask, name what there is', async () => {
    const { groups } = parse(await readFile('examples/prometheus/alerts.yaml', 'utf8')) as Rules;
    const asked = groups.flatMap(({ rules }) => rules.map(({ expr }) => expr));
    assert.ok(asked.length > 10);
    const page = await readFile('docs/metrics.md', 'utf8');
    asked.push(...Array.from(page.matchAll(/```promql\n([^`]*)```/g), ([, text = '']) => text));
    assert.deepEqual(asked.flatMap(unknownIn), []);
  });

  it('a name that is none is found', () => {
    assert.deepEqual(unknownIn('rate(nix_snapshotter_rpc_duration_seconds[5m]) + process_x'), [
      'nix_snapshotter_rpc_duration_seconds',
      'process_x',
    ]);
    assert.deepEqual(unknownIn('nix_snapshotter_snapshots{instance=~"a", state != "x"}'), [
      'nix_snapshotter_snapshots{state}',
    ]);
  });
});
