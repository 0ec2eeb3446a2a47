import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { METRICS } from '../../../src/metrics/definitions.ts';

const rows = Object.values(METRICS).map(({ name, type, labels, help }) => {
  const named = labels.length === 0 ? '' : ` ${labels.map((label) => `\`${label}\``).join(', ')}`;
  return `| \`${name}\` | ${type} |${named} | ${help} |`;
});

describe('metrics in pages', () => {
  it('docs/metrics.md has every metric as the daemon describes it, and no other', async () => {
    const page = await readFile('docs/metrics.md', 'utf8');
    const documented = page
      .split('\n')
      .filter((line) => /^\| `\w+` \| (counter|gauge|histogram|info) \|/.test(line));
    assert.deepEqual(documented, rows);
  });

  it('are named as the convention says', () => {
    for (const { name, type, help, labels, buckets } of Object.values(METRICS)) {
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
});
