import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { it } from 'node:test';

/** The name of a finding that is no `ok`, where it is made. */
const MADE = /\b(?:failure|warning)\)?\(\s*['`]([a-z-]+(?:\$\{[^}]*\})?)['`]/g;

it('docs/doctor.md tells every finding that is made, and no other', async () => {
  const files = (await readdir('src/doctor')).map((name) => `src/doctor/${name}`);
  const texts = await Promise.all([...files, 'src/doctor-command.ts'].map((file) => readFile(file, 'utf8')));
  const made = new Set(texts.flatMap((text) => [...text.matchAll(MADE)].map(([, id = '']) => id)));
  // Two that are made of a word.
  made.delete("rootless-${isFatal ? 'hindered' : 'limited'}");
  for (const id of ['rootless-hindered', 'rootless-limited']) made.add(id);
  const page = await readFile('docs/doctor.md', 'utf8');
  const told = [...page.matchAll(/^\| ((?:`[a-z-]+`(?:, )?)+) \|/gm)].flatMap(([, cell = '']) =>
    [...cell.matchAll(/`([a-z-]+)`/g)].map(([, id = '']) => id),
  );
  assert.ok(told.length > 50, `${told.length} are told`);
  assert.deepEqual(told.toSorted(), [...made].filter((id) => /^[a-z-]+$/.test(id)).toSorted());
});
