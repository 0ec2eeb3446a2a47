import { execa } from 'execa';
import { cp, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import packageJson from '../../package.json' with { type: 'json' };

/**
 * What the package says of itself. It depends on nothing: the bundle has all packages and LevelDB's addons in it. The
 * checkout's own package.json stays private, so that nobody publishes the sources by mistake.
 */
function publishedManifest(manifest: typeof packageJson, man: readonly string[]): object {
  const { name, version, description, license, type, engines, bin } = manifest;
  return { name, version, description, license, type, os: ['linux'], engines, bin, man };
}

/**
 * Builds the npm package. Same inputs, same bytes: npm dates all files alike.
 *
 * @param directory where the tarball is written; it is made.
 * @returns the tarball's path.
 */
export async function buildNpmPackage(directory: string): Promise<string> {
  await mkdir(directory, { recursive: true });
  const scratch = await mkdtemp(join(tmpdir(), 'nix-snapshotter-npm-'));
  try {
    await execa(process.execPath, ['build.ts', join(scratch, 'dist')]);
    await cp('modules/release/man', join(scratch, 'man'), { recursive: true });
    await cp('modules/release/completion', join(scratch, 'completion'), { recursive: true });
    const man = (await readdir('modules/release/man')).map((page) => `./man/${page}`);
    const manifest = JSON.stringify(publishedManifest(packageJson, man), undefined, 2);
    await writeFile(join(scratch, 'package.json'), `${manifest}\n`);
    const guides = (await readdir('docs')).filter((name) => /\.(md|svg)$/.test(name));
    await mkdir(join(scratch, 'docs'));
    for (const guide of guides) await cp(join('docs', guide), join(scratch, 'docs', guide));
    for (const path of ['README.md', 'LICENSE', 'examples/containerd', 'examples/systemd']) {
      await cp(path, join(scratch, path), { recursive: true });
    }
    const { stdout } = await execa('npm', ['pack', '--silent', '--pack-destination', directory, scratch]);
    return join(directory, stdout.trim());
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}
