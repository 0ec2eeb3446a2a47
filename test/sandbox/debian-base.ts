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

/** A Debian folder: a suite to make nodes of, or `go`, trixie with a Go toolchain for building tools. */
export type BaseName = Suite | 'go';

/** Counts up when a base folder made by an older debian-base.sh must not be reused. */
const FORMAT = 1;

const NODE_PACKAGES = [
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

const PACKAGES: Readonly<Record<BaseName, readonly string[]>> = {
  trixie: NODE_PACKAGES,
  sid: NODE_PACKAGES,
  go: ['ca-certificates', 'golang-go'],
};

/** A Debian folder to make sandboxes of; read-only once it is built. */
export interface DebianBase {
  readonly name: BaseName;
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
export async function debianBase(
  name: BaseName,
  log: (line: string) => void = () => {},
): Promise<DebianBase> {
  return await withLock(`debian-${name}`, async () => {
    const dir = `${debianDir}/${name}`;
    await mkdir(debianDir, { recursive: true });
    await removeLeftovers(name);
    if ((await readStamp(dir)) !== stamp(name)) {
      await rm(dir, { recursive: true, force: true });
      await build(name, dir, log);
    }
    return { name, dir, versions: parseVersions(await readFile(`${dir}/.versions`, 'utf8')) };
  });
}

/** What a finished folder's stamp must say. */
export function stamp(name: BaseName): string {
  return createHash('sha256')
    .update(JSON.stringify([FORMAT, name, PACKAGES[name]]))
    .digest('hex');
}

export function stampFile(name: BaseName): string {
  return `${debianDir}/${name}/.stamp`;
}

async function build(name: BaseName, dir: string, log: (line: string) => void): Promise<void> {
  await ensureDebootstrap(log);
  const mirror = await debianMirror();
  const suite = name === 'go' ? 'trixie' : name;
  const temporary = `${dir}.tmp-${randomBytes(4).toString('hex')}`;
  const logFile = `${debianDir}/${name}.log`;
  const script = fileURLToPath(new URL('debian-base.sh', import.meta.url));
  log(`unpacking Debian ${suite} for ${name} (about a minute, once)`);
  try {
    // The build dies with this process, and its mounts with it.
    await execa(
      'setpriv',
      ['--pdeathsig', 'KILL', 'unshare', '--mount', '--pid', '--fork', '--kill-child']
        .concat(['--mount-proc', 'sh', script, suite, temporary, mirror])
        .concat(PACKAGES[name]),
      {
        env: { ...(await proxyEnvironment()), APT_SETTINGS: await aptAcquireSettings(), LOG: logFile },
        stdin: 'ignore',
      },
    );
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw new StatusError(
      'FailedPrecondition',
      `cannot build the Debian folder ${name} from ${mirror} (see ${logFile}): ${messageOf(error)}`,
      { cause: error },
    );
  }
  await writeFile(`${temporary}/.stamp`, stamp(name));
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
async function removeLeftovers(name: BaseName): Promise<void> {
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
