import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parse } from 'smol-toml';
import * as v from 'valibot';
import { configSchema } from '../../../src/config/schema.ts';
import { pages } from './markdown.ts';

const all = await pages();
const keys = keysOf(configSchema);
const tables = new Set(keys.flatMap((key) => key.split('.').slice(0, -1)));

describe('configuration in pages', () => {
  it('docs/configuration.md has every key, and no other', () => {
    const text = all.find(({ path }) => path === 'docs/configuration.md')?.text ?? '';
    const documented = [...text.matchAll(/^\| `([\w.]+)` \|/gm)].map(([, key]) => key ?? '');
    assert.deepEqual(documented.toSorted(), keys.toSorted());
  });

  it('keys in sentences exist', () => {
    const spans = all.flatMap(({ path, code }) => code.map(({ kind, text }) => ({ path, kind, text })));
    const named = spans.flatMap(({ path, kind, text }) => {
      const [, key = '', table = ''] = /^((\w+)\.\w+)(?: = .*)?$/.exec(text) ?? [];
      return kind === 'span' && tables.has(table) && !FILES.includes(key) ? [{ path, key }] : [];
    });
    assert.ok(named.length > 10);
    assert.deepEqual(
      named.filter(({ key }) => !keys.includes(key)),
      [],
    );
  });

  it('files are accepted by the daemon', () => {
    const files = all.flatMap(({ path, code }) =>
      code
        .filter(({ text }) => /^# \S*nix-snapshotter\/config\.toml/.test(text))
        .map(({ text }) => ({ path, text })),
    );
    assert.ok(files.length > 0);
    for (const { path, text } of files) {
      const { issues } = v.safeParse(configSchema, parse(text));
      assert.equal(issues, undefined, `${path}: ${issues?.[0].message}`);
    }
  });
});

/** Look like keys of tables and are none. */
const FILES = ['nix.conf', 'nix.local'];

/** The keys of a schema, those in tables as `table.key`. */
function keysOf(schema: unknown, prefix = ''): readonly string[] {
  const { entries, wrapped } = schema as { entries?: Record<string, unknown>; wrapped?: unknown };
  if (entries !== undefined) {
    return Object.entries(entries).flatMap(([name, entry]) =>
      keysOf(entry, prefix === '' ? name : `${prefix}.${name}`),
    );
  }
  return wrapped === undefined ? [prefix] : keysOf(wrapped, prefix);
}
