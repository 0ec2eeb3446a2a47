import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { GENERATED } from '../../../docs/generate/pages.ts';

describe('generated pages', () => {
  for (const [page, render] of Object.entries(GENERATED)) {
    it(`${page} is what npm run docs writes`, async () => {
      const rendered = await render();
      assert.equal(await readFile(page, 'utf8'), rendered, `${page} is out of date: npm run docs`);
    });
  }
});
