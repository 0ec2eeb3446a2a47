import { mkdir } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import packageJson from '../../package.json' with { type: 'json' };
import { RELEASE_PLATFORMS } from '../release/platforms.ts';
import { sourceDateEpoch } from '../release/source-date.ts';
import { maintainerOf } from './control.ts';
import { buildDebianPackage } from './package.ts';

/**
 * `npm run package:deb -- [--arch amd64|arm64] [--compression xz|zstd] [--out DIRECTORY]`: the package of this machine's
 * architecture unless told.
 */
const { values } = parseArgs({
  options: {
    arch: { type: 'string', default: process.arch === 'arm64' ? 'arm64' : 'amd64' },
    compression: { type: 'string', default: 'xz' },
    out: { type: 'string', default: 'dist/packages' },
  },
});
const platform = RELEASE_PLATFORMS.find(({ arch }) => arch === values.arch);
if (platform === undefined) {
  throw new Error(`--arch ${values.arch}: one of ${RELEASE_PLATFORMS.map(({ arch }) => arch).join(', ')}`);
}
const { compression } = values;
if (compression !== 'xz' && compression !== 'zstd') {
  throw new Error(`--compression ${compression}: xz or zstd`);
}
const { version } = packageJson;
await mkdir(values.out, { recursive: true });
const out = `${values.out}/nix-snapshotter_${version}_${platform.arch}.deb`;
const { size, installed } = await buildDebianPackage({
  platform,
  version,
  maintainer: maintainerOf(process.env),
  epoch: await sourceDateEpoch(process.env),
  compression,
  out,
});
const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;
process.stdout.write(`${out}: ${megabytes(size)}, ${megabytes(installed)} installed\n`);
