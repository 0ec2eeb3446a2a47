import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { projectRoot } from '../sandbox/layout.ts';
import { anyNix } from './nix.ts';
import { type ProjectOptions, renderOptions } from './options-page.ts';

/** `npm run docs:options`: writes docs/options.md from the modules. */
await using nix = await anyNix();
const library = `${nix.project}/test/nix/lib.nix`;
const value = await nix.evaluate(
  `(import ${nix.project}/test/nix/evaluate.nix { libPath = ${library}; }).options`,
);
await writeFile(join(projectRoot, 'docs/options.md'), renderOptions(value as ProjectOptions));
