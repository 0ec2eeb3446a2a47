import { mkdir } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import packageJson from '../../package.json' with { type: 'json' };
import { megabytes, OWN_ARCH, platformArgument, runCommand, wordArgument } from '../release/arguments.ts';
import { sourceDateEpoch } from '../release/source-date.ts';
import { maintainerOf } from './control.ts';
import { buildDebianPackage } from './package.ts';

/** `npm run package:deb -- [--arch amd64|arm64] [--compression xz|zstd] [--out DIRECTORY]` */
await runCommand(async () => {
  const { values } = parseArgs({
    options: {
      arch: { type: 'string', default: OWN_ARCH },
      compression: { type: 'string', default: 'xz' },
      out: { type: 'string', default: 'dist/packages' },
    },
  });
  const platform = platformArgument(values.arch);
  const compression = wordArgument('--compression', values.compression, ['xz', 'zstd']);
  const { version } = packageJson;
  await mkdir(values.out, { recursive: true });
  const out = `${values.out}/nix-snapshotter_${version}_${platform.arch}.deb`;
  const maintainer = maintainerOf(process.env);
  const epoch = await sourceDateEpoch(process.env);
  const { size, installed } = await buildDebianPackage({
    platform,
    version,
    maintainer,
    epoch,
    compression,
    out,
  });
  return `${out}: ${megabytes(size)}, ${megabytes(installed)} installed`;
});
