import type { SandboxCgroup } from './cgroups.ts';

/** Joins the sandbox's cgroups, then its namespaces. Arguments: PID, cgroup directories, `--`, command. */
const ENTER = `
pid=$1; shift
while [ "$1" != -- ]; do echo 0 > "$1/cgroup.procs"; shift; done
shift
exec nsenter --target "$pid" --mount --uts --ipc --net --pid --cgroup --root --wd -- "$@"`;

/** The command on the host that runs `command` inside the sandbox whose PID 1 is host process `pid`. */
export function enterCommand(
  pid: number,
  cgroups: readonly SandboxCgroup[],
  command: readonly string[],
): [string, ...string[]] {
  return ['/bin/sh', '-euc', ENTER, 'sh', String(pid), ...cgroups.map((c) => c.processes), '--', ...command];
}

/** A fixed environment, so that nothing of the host's shows inside. */
export function environmentInside(extra: Readonly<Record<string, string>> = {}): Record<string, string> {
  return {
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    HOME: '/root',
    LANG: 'C.UTF-8',
    NIX_REMOTE: '',
    ...extra,
  };
}
