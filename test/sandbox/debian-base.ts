import { execa } from 'execa';
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { StatusError, errnoOf, messageOf } from '../../src/errors.ts';
import { aptAcquireSettings, debianMirror, proxyEnvironment } from './debian-mirror.ts';
import { debianDir } from './layout.ts';
import { withLock } from './lock.ts';

export const SUITES = ['trixie', 'sid'] as const;
export type Suite = (typeof SUITES)[number];

/** Counts up when a base folder made by an older debian-base.sh must not be reused. */
const FORMAT = 1;

const PACKAGES = [
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

/** A Debian folder to make sandboxes of; read-only once it is built. */
export interface DebianBase {
  readonly suite: Suite;
  readonly dir: string;
  /** Debian version of every installed package, by package name. */
  readonly versions: Readonly<Record<string, string>>;
}

/**
 * The base folder of a suite, built if it is absent, half-built or out of date.
 *
 * @param log told each thing that takes long, in one line.
 * @throws StatusError FailedPrecondition when debootstrap or apt fail; the message names the log file.
 */
export async function debianBase(suite: Suite, log: (line: string) => void = () => {}): Promise<DebianBase> {
  return await withLock(`debian-${suite}`, async () => {
    const dir = `${debianDir}/${suite}`;
    await mkdir(debianDir, { recursive: true });
    await removeLeftovers(suite);
    if ((await readStamp(dir)) !== stamp(suite)) {
      await rm(dir, { recursive: true, force: true });
      await build(suite, dir, log);
    }
    return { suite, dir, versions: parseVersions(await readFile(`${dir}/.versions`, 'utf8')) };
  });
}

/** What a finished folder's stamp must say. */
export function stamp(suite: Suite): string {
  return createHash('sha256')
    .update(JSON.stringify([FORMAT, suite, PACKAGES]))
    .digest('hex');
}

export function stampFile(suite: Suite): string {
  return `${debianDir}/${suite}/.stamp`;
}

async function build(suite: Suite, dir: string, log: (line: string) => void): Promise<void> {
  await ensureDebootstrap(log);
  const mirror = await debianMirror();
  const temporary = `${dir}.tmp-${randomBytes(4).toString('hex')}`;
  const logFile = `${debianDir}/${suite}.log`;
  const script = fileURLToPath(new URL('debian-base.sh', import.meta.url));
  log(`unpacking Debian ${suite} (about a minute, once)`);
  try {
    // The build dies with this process, and its mounts with it.
    await execa(
      'setpriv',
      ['--pdeathsig', 'KILL', 'unshare', '--mount', '--pid', '--fork', '--kill-child']
        .concat(['--mount-proc', 'sh', script, suite, temporary, mirror])
        .concat(PACKAGES),
      {
        env: { ...(await proxyEnvironment()), APT_SETTINGS: await aptAcquireSettings(), LOG: logFile },
        stdin: 'ignore',
      },
    );
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw new StatusError(
      'FailedPrecondition',
      `cannot build the Debian ${suite} folder from ${mirror} (see ${logFile}): ${messageOf(error)}`,
      { cause: error },
    );
  }
  await writeFile(`${temporary}/.stamp`, stamp(suite));
  await rename(temporary, dir);
}

async function ensureDebootstrap(log: (line: string) => void): Promise<void> {
  const path = `${process.env['PATH'] ?? ''}:/usr/sbin`;
  const found = await execa('sh', ['-c', 'command -v debootstrap'], { env: { PATH: path }, reject: false });
  if (found.exitCode === 0) return;
  log('installing debootstrap');
  try {
    await execa('apt-get', ['update', '-qq']);
    await execa('apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'debootstrap'], {
      env: { DEBIAN_FRONTEND: 'noninteractive' },
    });
  } catch (error) {
    throw new StatusError(
      'FailedPrecondition',
      `debootstrap is not installed and apt-get could not install it: ${messageOf(error)}`,
      { cause: error },
    );
  }
}

/** Folders of builders that died; the caller holds the lock, so no builder is alive. */
async function removeLeftovers(suite: Suite): Promise<void> {
  for (const name of await readdir(debianDir)) {
    if (name.startsWith(`${suite}.tmp-`)) await rm(`${debianDir}/${name}`, { recursive: true, force: true });
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
