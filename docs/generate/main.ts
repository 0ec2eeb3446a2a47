import { writeFile } from 'node:fs/promises';
import { GENERATED } from './pages.ts';

/** `npm run docs`: writes every page that is made from the source. */
for (const [page, render] of Object.entries(GENERATED)) await writeFile(page, await render());
