import { execa } from 'execa';
import { randomBytes } from 'node:crypto';
import { rename, rm, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { StatusError, messageOf } from '../../src/errors.ts';
import type { BaseDefinition } from './debian-base.ts';
import { aptAcquireSettings, debianMirror, proxyEnvironment } from './debian-mirror.ts';

export interface BuildTarget {
  /** Appears only when it is complete. */
  readonly dir: string;
  /** What its `.stamp` will say. */
  readonly stamp: string;
  readonly log: (line: string) => void;
}

/**
 * Unpacks Debian beside the target and renames it into place. The build dies with this process, and its
 * mounts with it; a half-built folder is called `<target>.tmp-*`.
 *
 * @throws StatusError FailedPrecondition naming the log file.
 */
export async function buildDebianFolder(definition: BaseDefinition, target: BuildTarget): Promise<void> {
  const { name, suite, packages } = definition;
  await ensureDebootstrap(target.log);
  const mirror = await debianMirror();
  const temporary = `${target.dir}.tmp-${randomBytes(4).toString('hex')}`;
  const logFile = `${target.dir}.log`;
  const script = fileURLToPath(new URL('debian-base.sh', import.meta.url));
  target.log(`unpacking Debian ${suite} as ${name} (about a minute, once)`);
  const namespaces = ['unshare', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'];
  const command = ['--pdeathsig', 'KILL', ...namespaces, 'sh', script, suite, temporary, mirror, ...packages];
  try {
    await execa('setpriv', command, {
      env: { ...(await proxyEnvironment()), APT_SETTINGS: await aptAcquireSettings(), LOG: logFile },
      stdin: 'ignore',
    });
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw new StatusError(
      'FailedPrecondition',
      `cannot build the Debian folder ${name} from ${mirror} (see ${logFile}): ${messageOf(error)}`,
      { cause: error },
    );
  }
  await writeFile(`${temporary}/.stamp`, target.stamp);
  await rename(temporary, target.dir);
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
