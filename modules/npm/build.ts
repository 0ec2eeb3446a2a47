import { stat } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { buildNpmPackage } from './package.ts';

/** `npm run package:npm -- [--out DIRECTORY]` */
const { values } = parseArgs({ options: { out: { type: 'string', default: 'dist/packages' } } });
const tarball = await buildNpmPackage(values.out);
process.stdout.write(`${tarball}: ${((await stat(tarball)).size / 1e6).toFixed(1)} MB\n`);
