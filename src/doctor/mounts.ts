import { readFile, readlink } from 'node:fs/promises';
import { mountPointsBelow } from '../host/mounts-below.ts';
import type { Commands } from './commands.ts';
import { failure, fine, type Finding, warning } from './finding.ts';

export interface MountFacts {
  /** Mounts of containerd's mount namespace; of this process's where containerd cannot be seen. */
  readonly mounts: number;
  /** `fs.mount-max`: mounts of one namespace. */
  readonly limit: number;
  /** Mounts of views that the daemon has and containerd does not see; undefined where not both can be looked at. */
  readonly unseen: readonly string[] | undefined;
  /** Whether the daemon and containerd have the same mount namespace; undefined where not both can be looked at. */
  readonly isSameNamespace: boolean | undefined;
}

/**
 * Looks at mounts.
 *
 * @param daemon process ids, as far as they are known here.
 * @param root the daemon's: its views are mounted below it. May be reached by symlinks.
 */
export async function readMounts(
  { daemon, containerd }: { readonly daemon: number | undefined; readonly containerd: number | undefined },
  root: string,
): Promise<MountFacts> {
  const ofContainerd = await mountPoints(containerd ?? 'self');
  const limit = Number((await readFile('/proc/sys/fs/mount-max', 'utf8').catch(() => 'NaN')).trim());
  const both = daemon !== undefined && containerd !== undefined;
  const ofDaemon = both ? await mountPointsBelow(root, daemon).catch(() => undefined) : undefined;
  const namespaces = both ? await Promise.all([daemon, containerd].map(mountNamespace)) : undefined;
  const isSameNamespace =
    namespaces === undefined || namespaces.includes(undefined) ? undefined : namespaces[0] === namespaces[1];
  const seen = new Set(ofContainerd);
  return {
    mounts: ofContainerd?.length ?? 0,
    limit,
    isSameNamespace,
    unseen: ofContainerd === undefined ? undefined : ofDaemon?.filter((path) => !seen.has(path)),
  };
}

async function mountPoints(process: number | 'self'): Promise<readonly string[] | undefined> {
  const text = await readFile(`/proc/${process}/mountinfo`, 'utf8').catch(() => undefined);
  return text
    ?.split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split(' ')[4] ?? '');
}

async function mountNamespace(pid: number): Promise<string | undefined> {
  return await readlink(`/proc/${pid}/ns/mnt`).catch(() => undefined);
}

/** Whether there is room for mounts, and containerd sees those of the daemon. */
export function judgeMounts(
  facts: MountFacts,
  { restartDaemon, restartContainerd }: Commands,
): readonly Finding[] {
  const { mounts, limit, unseen = [], isSameNamespace } = facts;
  const findings: Finding[] = [];
  const used = mounts / limit;
  if (used >= 0.5) {
    const trouble = {
      what: `${mounts} of at most ${limit} mounts are in use (fs.mount-max)`,
      why: 'at the limit no container starts: "no space left on device"',
      fix: 'allow more, for now and by a file in /etc/sysctl.d; with view = "overlay" a container needs one mount',
      commands: [
        `sysctl -w fs.mount-max=${limit * 4}`,
        `echo fs.mount-max=${limit * 4} > /etc/sysctl.d/60-mount-max.conf`,
      ],
    };
    findings.push(used >= 0.9 ? failure('mount-max', trouble) : warning('mount-max', trouble));
  }
  if (isSameNamespace === false && unseen.length > 0)
    findings.push(
      failure('mounts-unseen', {
        what: `containerd does not see ${unseen.length} mounts of the daemon, such as ${unseen[0]}: they have different mount namespaces`,
        why: 'containers have empty directories in place of store paths',
        fix:
          'take PrivateMounts=, PrivateTmp=, ProtectSystem=, ReadWritePaths= and the like out of the daemon’s and containerd’s units ' +
          '(systemctl cat), then restart both',
        commands: ['systemctl daemon-reload', restartDaemon, restartContainerd],
      }),
    );
  return findings.length > 0 ? findings : [fine('mounts', `${mounts} of at most ${limit} mounts are in use`)];
}
