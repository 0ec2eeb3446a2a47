import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { generated } from '../../../proto/generate.ts';

const protoDir = join(import.meta.dirname, '../../../proto');

test('the generated files are what the .proto files give', async () => {
  for (const [name, text] of Object.entries(await generated(protoDir))) {
    assert.equal(await readFile(join(protoDir, 'gen', name), 'utf8'), text, `${name}: run \`npm run proto\``);
  }
});
