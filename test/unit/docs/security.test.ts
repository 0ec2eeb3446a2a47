import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';

const page = readFileSync('docs/security.md', 'utf8');

describe('docs/security.md', () => {
  it('names tests that are there', () => {
    const named = [...page.matchAll(/`(test\/[\w./-]+\.ts)`(?: "([^"]+)")?/g)];
    assert.ok(named.length > 40, `${named.length} tests are named`);
    for (const [, file = '', name = ''] of named) {
      assert.ok(existsSync(file), file);
      assert.ok(readFileSync(file, 'utf8').includes(name), `${file} has no test "${name}"`);
    }
  });

  it('has a test for each claim', () => {
    const rows = page.split('\n').filter((line) => /^\| (?!it |what |---)/.test(line));
    assert.ok(rows.length > 40, `${rows.length} claims`);
    for (const row of rows) assert.match(row, /`test\//);
  });

  it('says the limits that the source has', () => {
    const rows = [...page.matchAll(/^\| [^|]+ \| (\d+) \| `(\w+)` in `(src\/[\w./-]+)` \|/gm)];
    assert.ok(rows.length > 20, `${rows.length} limits`);
    for (const [, limit, constant = '', file = ''] of rows) {
      const [, expression = ''] =
        new RegExp(`const ${constant} = ([\\d_ *]+);`).exec(readFileSync(file, 'utf8')) ?? [];
      const factors = expression.replaceAll('_', '').split('*').map(Number);
      assert.equal(
        factors.reduce((product, factor) => product * factor, 1),
        Number(limit),
        `${constant} in ${file}`,
      );
    }
  });
});
