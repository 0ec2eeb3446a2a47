import { execa } from 'execa';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf, StatusError } from '../../src/errors.ts';
import type { ReleasePlatform } from './platforms.ts';

/** Files of a Node release for one platform. */
export interface NodeRelease {
  readonly version: string;
  readonly program: string;
  /** Node's licence, with those of all that is in the program. */
  readonly license: string;
}

/** Where releases stay until the next `npm ci`, so that one is fetched once. */
const CACHE = 'node_modules/.cache/nix-snapshotter';

/**
 * Gets Node's release of the version that `node_modules` has, for any platform, from npm.
 *
 * @throws StatusError Unavailable when npm cannot get it.
 */
export async function nodeRelease(platform: ReleasePlatform): Promise<NodeRelease> {
  const { version } = JSON.parse(await readFile('node_modules/node/package.json', 'utf8')) as {
    readonly version: string;
  };
  const directory = join(CACHE, `${platform.nodePackage}-${version}`);
  if (!existsSync(directory)) await fetchRelease(`${platform.nodePackage}@${version}`, directory);
  return { version, program: join(directory, 'bin/node'), license: join(directory, 'LICENSE') };
}

async function fetchRelease(name: string, directory: string): Promise<void> {
  const draft = `${directory}.${process.pid}`;
  await mkdir(draft, { recursive: true });
  try {
    const { stdout } = await execa('npm', [
      'pack',
      '--silent',
      '--prefer-offline',
      '--pack-destination',
      draft,
      name,
    ]);
    const tarball = join(draft, stdout.trim());
    const members = ['package/bin/node', 'package/LICENSE'];
    await execa('tar', ['-x', '-f', tarball, '-C', draft, '--strip-components=1', ...members]);
    await rm(tarball);
    await rename(draft, directory);
  } catch (error) {
    if (existsSync(directory)) return; // Another build was faster.
    throw new StatusError(
      'Unavailable',
      `npm pack ${name}: ${messageOf(error)}; is the registry reachable?`,
      {
        cause: error,
      },
    );
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}
