import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { errnoOf } from '../../src/errors.ts';
import { buildDebianFolder } from './debian-builder.ts';
import { debianDir } from './layout.ts';
import { withLock } from './lock.ts';

export const SUITES = ['trixie', 'sid'] as const;
export type Suite = (typeof SUITES)[number];

/** What a base folder is made of. */
export interface BaseDefinition {
  /** Its name below the test bed's `debian` folder. */
  readonly name: string;
  readonly suite: Suite;
  /** Installed on top of a minimal Debian, without recommended packages. */
  readonly packages: readonly string[];
}

/** A Debian folder to make sandboxes of; read-only once it is built. */
export interface DebianBase {
  readonly dir: string;
  /** Debian version of every installed package, by package name. */
  readonly versions: Readonly<Record<string, string>>;
}

/** Counts up when a folder made by an older builder must not be reused. */
const FORMAT = 1;

/** What every node has. */
export const NODE_PACKAGES = [
  'busybox-static',
  'containerd',
  'containernetworking-plugins',
  'iproute2',
  'iptables',
  'nix-bin',
  'patchelf',
  'redis-server',
  'runc',
  'tini',
];

/** The folder that nodes of a suite are made of, built when needed as {@link baseFolder} does. */
export async function debianBase(suite: Suite, log?: (line: string) => void): Promise<DebianBase> {
  return await baseFolder({ name: suite, suite, packages: NODE_PACKAGES }, log);
}

/**
 * A base folder, built if it is absent, half-built or made from another definition. Safe against two
 * processes at once: one builds, the other waits for it.
 *
 * @param log told each thing that takes long, in one line.
 * @throws StatusError FailedPrecondition when debootstrap or apt fail; the message names the log file.
 */
export async function baseFolder(
  definition: BaseDefinition,
  log: (line: string) => void = () => {},
): Promise<DebianBase> {
  const { name } = definition;
  return await withLock(`debian-${name}`, async () => {
    const dir = `${debianDir}/${name}`;
    await mkdir(debianDir, { recursive: true });
    await removeLeftovers(name);
    const stamp = stampOf(definition);
    if ((await readStamp(dir)) !== stamp) {
      await rm(dir, { recursive: true, force: true });
      await buildDebianFolder(definition, { dir, stamp, log });
    }
    return { dir, versions: parseVersions(await readFile(`${dir}/.versions`, 'utf8')) };
  });
}

function stampOf({ suite, packages }: BaseDefinition): string {
  return createHash('sha256')
    .update(JSON.stringify([FORMAT, suite, packages]))
    .digest('hex');
}

/** Folders of builders that died; the caller holds the lock, so no builder is alive. */
async function removeLeftovers(name: string): Promise<void> {
  for (const left of await readdir(debianDir)) {
    if (left.startsWith(`${name}.tmp-`)) await rm(`${debianDir}/${left}`, { recursive: true, force: true });
  }
}

async function readStamp(dir: string): Promise<string | undefined> {
  try {
    return await readFile(`${dir}/.stamp`, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Package versions from lines of `package version`. */
export function parseVersions(text: string): Record<string, string> {
  const versions: Record<string, string> = {};
  for (const line of text.split('\n')) {
    const [name, version] = line.split(' ');
    if (name && version) versions[name] = version;
  }
  return versions;
}
