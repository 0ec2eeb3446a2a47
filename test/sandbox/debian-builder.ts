import { execa } from 'execa';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { StatusError, messageOf } from '../../src/errors.ts';
import type { BaseDefinition } from './debian-base.ts';
import { adminPath } from './admin-path.ts';
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
      env: {
        ...adminPath(),
        ...(await proxyEnvironment()),
        APT_SETTINGS: await aptAcquireSettings(),
        LOG: logFile,
      },
      stdin: 'ignore',
    });
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw new StatusError(
      'FailedPrecondition',
      `cannot build the Debian folder ${name} from ${mirror} (see ${logFile}): ${await lastLines(logFile, error)}`,
      { cause: error },
    );
  }
  await writeFile(`${temporary}/.stamp`, target.stamp);
  await rename(temporary, target.dir);
}

/** What the build said last; where it said nothing, how it ended. */
async function lastLines(logFile: string, error: unknown): Promise<string> {
  const text = existsSync(logFile) ? await readFile(logFile, 'utf8') : '';
  return text.trimEnd().split('\n').slice(-5).join(' | ') || messageOf(error);
}

async function ensureDebootstrap(log: (line: string) => void): Promise<void> {
  const found = await execa('sh', ['-c', 'command -v debootstrap'], { env: adminPath(), reject: false });
  if (found.exitCode === 0) return;
  log('installing debootstrap');
  try {
    await execa('apt-get', ['update', '-qq'], { env: adminPath() });
    await execa('apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'debootstrap'], {
      env: { ...adminPath(), DEBIAN_FRONTEND: 'noninteractive' },
    });
  } catch (error) {
    throw new StatusError(
      'FailedPrecondition',
      `debootstrap is not installed and apt-get could not install it: ${messageOf(error)}`,
      { cause: error },
    );
  }
}
