import { execa } from 'execa';
import { chmod, copyFile, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { NodeRelease } from './node-release.ts';
import { ADDONS, type ReleasePlatform } from './platforms.ts';

/**
 * Writes what runs on a machine that has no Node: the bundle, LevelDB's addon for the platform, `node` itself, and the
 * licences of all.
 *
 * @param directory is made.
 */
export async function writeProgramTree(
  platform: ReleasePlatform,
  node: NodeRelease,
  directory: string,
): Promise<void> {
  await execa(process.execPath, ['build.ts', directory]);
  const chunks = join(directory, 'chunks');
  for (const addon of ADDONS.filter((name) => name !== platform.addon)) await rm(join(chunks, addon));
  for (const name of await readdir(join(chunks, 'prebuilds'))) {
    const left = join(chunks, 'prebuilds', name);
    if ((await readdir(left)).length === 0) await rm(left, { recursive: true });
  }
  await copyFile(node.program, join(directory, 'node'));
  await chmod(join(directory, 'node'), 0o755);
  await copyFile(node.license, join(directory, 'NODE-LICENSE.txt'));
}
