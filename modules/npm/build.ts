import { stat } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { megabytes, runCommand } from '../release/arguments.ts';
import { buildNpmPackage } from './package.ts';

/** `npm run package:npm -- [--out DIRECTORY]` */
await runCommand(async () => {
  const { values } = parseArgs({ options: { out: { type: 'string', default: 'dist/packages' } } });
  const tarball = await buildNpmPackage(values.out);
  return `${tarball}: ${megabytes((await stat(tarball)).size)}`;
});
