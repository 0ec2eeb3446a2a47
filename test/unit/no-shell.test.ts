import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { it } from 'node:test';

/** What has a shell read a text: options of child processes, functions that always do, and shells by name. */
const SHELLS = [
  /\bshell\s*:/,
  /\bexecSync\b|\bexecaCommand\b|\bexeca\s*\(\s*\{/,
  /import\s*\{[^}]*\bexec\b[^}]*\}\s*from\s*'node:child_process'/,
  /['"`](?:\/bin\/)?(?:ba|da)?sh['"`]\s*,\s*\[?\s*['"`]-c/,
  /\beval\s*\(|new Function\s*\(/,
];

it('no text of others becomes part of a command line', () => {
  const files = globSync(['src/**/*.ts', 'cmd/*.ts']);
  assert.ok(files.length > 200, `${files.length} files`);
  const found = files.flatMap((file) => {
    const text = readFileSync(file, 'utf8');
    return SHELLS.flatMap((pattern) => (pattern.test(text) ? [`${file}: ${pattern}`] : []));
  });
  assert.deepEqual(found, []);
});
