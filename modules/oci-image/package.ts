import { execa } from 'execa';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assembleImage } from '../../src/image/assemble.ts';
import { readBaseImage } from '../../src/image/base-image.ts';
import { writeLayer } from '../../src/image/layer-blob.ts';
import { openImages } from '../../src/image/open-images.ts';
import { writeOciArchive } from '../../src/image/write-archive.ts';
import { PROGRAMS, units, wrapper } from '../release/host-files.ts';
import { nodeRelease } from '../release/node-release.ts';
import { normaliseTree } from '../release/normalise.ts';
import type { ReleasePlatform } from '../release/platforms.ts';
import { writeProgramTree } from '../release/program-tree.ts';

export interface OciImageOptions {
  readonly platform: ReleasePlatform;
  readonly version: string;
  /** Full reference. */
  readonly ref: string;
  /** Archive or layout of an image with `sh`, `tar` and `nsenter`. */
  readonly base: string;
  /** The time of every file in it, in seconds. */
  readonly epoch: number;
  /** The archive to write. */
  readonly out: string;
}

/** Where the programs are on a node; modules/kubernetes/on-node.sh puts them there. */
const ON_NODE = '/opt/nix-snapshotter/current';

/**
 * Builds the image of the DaemonSet in modules/kubernetes: an ordinary image, since it is pulled by nodes without our
 * snapshotter, of a base with one layer on top: what is put onto the node, and the scripts that do so. Same inputs, same bytes.
 *
 * @returns the manifest's digest.
 * @throws StatusError of the base, as {@link openImages} and {@link readBaseImage}; Unavailable when Node's release cannot
 *   be had.
 */
export async function buildOciImage(options: OciImageOptions): Promise<string> {
  const { platform, version, ref, base, epoch, out } = options;
  const wanted = { os: 'linux', architecture: platform.arch };
  await using set = await openImages(base);
  const below = await readBaseImage(set, wanted);
  const scratch = await mkdtemp(join(tmpdir(), 'nix-snapshotter-image-'));
  try {
    const root = join(scratch, 'root');
    await writeNodeFiles(join(root, 'nix-snapshotter'), platform, version);
    await normaliseTree(root, epoch);
    const { file, ...blob } = await writeLayer(tarOf(root), 'zstd', join(scratch, 'layer'));
    const image = assembleImage({
      ref,
      platform: wanted,
      base: below,
      config: { Entrypoint: ['/bin/sh', '/nix-snapshotter/run.sh'], Cmd: ['install'] },
      added: [
        {
          layer: { ...blob, open: async () => createReadStream(file) },
          comment: `nix-snapshotter ${version}`,
        },
      ],
    });
    await writeOciArchive(image, out);
    return image.manifest.descriptor.digest;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** The scripts, and in `tree` what they put onto the node, with an id that says what is in it. */
async function writeNodeFiles(directory: string, platform: ReleasePlatform, version: string): Promise<void> {
  const tree = join(directory, 'tree');
  await writeProgramTree(platform, await nodeRelease(platform), tree);
  await mkdir(join(tree, 'bin'));
  for (const program of PROGRAMS) {
    await writeFile(join(tree, 'bin', program), await wrapper(program, ON_NODE), { mode: 0o755 });
  }
  await mkdir(join(tree, 'units'));
  for (const [name, text] of await units('.', `${ON_NODE}/bin`)) {
    await writeFile(join(tree, 'units', name), text);
  }
  await writeFile(join(directory, 'id'), `${version}-${await contentId(tree)}\n`);
  for (const script of ['run.sh', 'on-node.sh']) {
    await cp(join('modules/kubernetes', script), join(directory, script));
  }
}

async function contentId(tree: string): Promise<string> {
  const { files } = await normaliseTree(tree, 0);
  const hash = createHash('sha256');
  for (const file of files) {
    const content = await readFile(join(tree, file));
    hash.update(`${file}\0${content.length}\0`).update(content);
  }
  return hash.digest('hex').slice(0, 12);
}

function tarOf(root: string) {
  const flags = ['--sort=name', '--format=ustar', '--owner=0', '--group=0', '--numeric-owner'];
  const tar = execa('tar', ['-C', root, ...flags, '-cf', '-', 'nix-snapshotter'], { buffer: false });
  return tar.readable();
}
