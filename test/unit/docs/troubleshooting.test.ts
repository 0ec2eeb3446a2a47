import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PROBLEMS } from '../../../src/problems/definitions.ts';
import { pages } from './markdown.ts';

const page = (await pages()).find(({ path }) => path === 'docs/troubleshooting.md');

describe('docs/troubleshooting.md', () => {
  for (const [id, { sentence }] of Object.entries(PROBLEMS)) {
    it(`has what is said of ${id}, a line in the table, and commands that mend it`, () => {
      const code = page?.code.filter(({ kind, heading }) => kind === 'block' && heading === id) ?? [];
      const said = code.find(({ language }) => language === 'text')?.text;
      assert.equal(said, sentence.replaceAll(/\{(\w+)\}/g, '<$1>'));
      assert.equal(code.filter(({ language }) => language === 'sh').length, 1);
      assert.ok(page?.text.includes(`| [${id}](#${id}) |`));
    });
  }

  it('has no section of a problem that is not known', () => {
    const headings = page?.code.filter(({ language }) => language === 'text').map(({ heading }) => heading);
    assert.deepEqual(headings?.toSorted(), Object.keys(PROBLEMS).toSorted());
  });
});
