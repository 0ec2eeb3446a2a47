import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { readResults } from '../../test/results.ts';
import { COMPATIBILITY_PAGE } from './claims.ts';
import { renderCompatibility } from './compatibility.ts';
import { GENERATED } from './pages.ts';

/**
 * `npm run docs`: writes every page that is made from the source. With `--compatibility` also the one that is made from
 * the results of the tests.
 */
const { values } = parseArgs({ options: { compatibility: { type: 'boolean', default: false } } });
for (const [page, render] of Object.entries(GENERATED)) {
  await mkdir(dirname(page), { recursive: true });
  await writeFile(page, await render());
}
if (values.compatibility) {
  const results = await readResults();
  if (results === undefined) throw new Error('there are no results yet: npm test, or npm test -- FILE');
  await writeFile(COMPATIBILITY_PAGE, renderCompatibility(results));
}
