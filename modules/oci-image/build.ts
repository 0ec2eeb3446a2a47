import { mkdir, stat } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import packageJson from '../../package.json' with { type: 'json' };
import { StatusError } from '../../src/errors.ts';
import { imageName } from '../../src/image/image-name.ts';
import { megabytes, OWN_ARCH, platformArgument, runCommand } from '../release/arguments.ts';
import { sourceDateEpoch } from '../release/source-date.ts';
import { buildOciImage } from './package.ts';

/** `npm run package:image -- --base IMAGE [--ref NAME] [--arch amd64|arm64] [--out DIRECTORY]` */
await runCommand(async () => {
  const { values } = parseArgs({
    options: {
      base: { type: 'string' },
      ref: { type: 'string' },
      arch: { type: 'string', default: OWN_ARCH },
      out: { type: 'string', default: 'dist/packages' },
    },
  });
  const { base } = values;
  if (base === undefined) {
    const get = 'skopeo copy docker://docker.io/library/busybox:stable oci-archive:busybox.tar';
    throw new StatusError('InvalidArgument', `--base: an image with sh, tar and nsenter, as from "${get}"`);
  }
  const platform = platformArgument(values.arch);
  const { version } = packageJson;
  await mkdir(values.out, { recursive: true });
  const out = `${values.out}/nix-snapshotter-image-${version}-${platform.arch}.tar`;
  const ref = imageName(values.ref ?? `nix-snapshotter:${version}`, out);
  const epoch = await sourceDateEpoch(process.env);
  const digest = await buildOciImage({ platform, version, ref, base, epoch, out });
  return `${out}: ${ref} ${digest}, ${megabytes((await stat(out)).size)}`;
});
