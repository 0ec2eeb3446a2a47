import { existsSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf, StatusError } from '../errors.ts';

/** A running RootlessKit: the process whose namespaces containerd has. */
export interface RootlessKit {
  readonly pid: number;
  /** Its network namespace is another one than ours, and containerd is in it. */
  readonly hasNetwork: boolean;
}

/**
 * Finds the RootlessKit of the user's containerd.
 *
 * @param stateDirectory its `--state-dir`.
 * @throws StatusError Unavailable when it does not run, FailedPrecondition when the directory is not a RootlessKit's.
 */
export function findRootlessKit(stateDirectory: string): RootlessKit {
  const file = join(stateDirectory, 'child_pid');
  const pid = Number(readText(file).trim());
  if (!Number.isSafeInteger(pid) || pid < 2) {
    throw new StatusError(
      'FailedPrecondition',
      `${file} holds no process id: is that RootlessKit's state directory?`,
    );
  }
  // With a detached network namespace (RootlessKit 2) containerd is in the host's.
  const isDetached = existsSync(join(stateDirectory, 'netns'));
  try {
    const [theirs, ours] = [String(pid), 'self'].map((process) => readlinkSync(`/proc/${process}/ns/net`));
    return { pid, hasNetwork: !isDetached && theirs !== ours };
  } catch (error) {
    throw new StatusError(
      'Unavailable',
      `process ${pid} of ${file} cannot be looked at: ${messageOf(error)}; start containerd (systemctl --user start containerd)`,
      { cause: error },
    );
  }
}

/**
 * The command that runs another one in RootlessKit's namespaces, as containerd-rootless-setuptool.sh's `nsenter` does. Credentials
 * stay: the user is root there already.
 */
export function enterCommand(
  { pid, hasNetwork }: RootlessKit,
  command: readonly string[],
): readonly string[] {
  const network = hasNetwork ? ['--net'] : [];
  return [
    'nsenter',
    '--no-fork',
    '--preserve-credentials',
    '--user',
    '--mount',
    ...network,
    '--target',
    String(pid),
    '--',
    ...command,
  ];
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new StatusError(
      'Unavailable',
      `RootlessKit does not run: ${file} cannot be read: ${messageOf(error)}; start containerd (containerd-rootless.sh, or ` +
        'systemctl --user start containerd)',
      { cause: error },
    );
  }
}
