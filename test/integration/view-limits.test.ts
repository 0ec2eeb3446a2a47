import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { it } from 'node:test';
import { limitsTable } from './support/view-limits.ts';

it('docs/views.md shows the table of what views cannot give', async () => {
  const document = await readFile(new URL('../../docs/views.md', import.meta.url), 'utf8');
  const table = document.split('\n\n').find((paragraph) => paragraph.startsWith('| property |'));
  assert.equal(table, limitsTable());
});
