import { execa } from 'execa';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';

/** One cgroup hierarchy of this machine and this process's place in it. */
export interface Hierarchy {
  readonly version: 1 | 2;
  /** Where it is mounted. */
  readonly mountPoint: string;
  /** Mount options that name it (`cpuset`, `none,name=systemd`); empty for version 2. */
  readonly options: string;
  /** This process's cgroup in it, as a directory. */
  readonly current: string;
}

/** A sandbox's own cgroup in one hierarchy. */
export interface SandboxCgroup {
  readonly version: 1 | 2;
  readonly mountPoint: string;
  readonly options: string;
  /** The sandbox's cgroup: the root of its cgroup namespace. */
  readonly dir: string;
  /** Where its processes are put: `dir`, or below it where version 2 forbids processes in inner nodes. */
  readonly processes: string;
}

/** The hierarchies mounted on this machine. */
export function hierarchies(
  mountinfo = readFileSync('/proc/self/mountinfo', 'utf8'),
  membership = readFileSync('/proc/self/cgroup', 'utf8'),
): readonly Hierarchy[] {
  const found = new Map<string, Hierarchy>();
  for (const line of mountinfo.split('\n')) {
    const [left, right] = line.split(' - ');
    const [, , , root, mountPoint] = left?.split(' ') ?? [];
    const [type, , superOptions] = right?.split(' ') ?? [];
    if (root === undefined || mountPoint === undefined || superOptions === undefined) continue;
    if (type === 'cgroup2') {
      const path = pathOf(membership, '');
      if (path !== undefined) {
        found.set('', { version: 2, mountPoint, options: '', current: below(mountPoint, root, path) });
      }
    } else if (type === 'cgroup') {
      const controllers = superOptions.split(',').filter((option) => option !== 'rw' && option !== 'ro');
      const name = controllers.filter(
        (option) => !/^(xattr|noprefix|clone_children|release_agent=.*)$/.test(option),
      );
      const key = name.join(',');
      const path = pathOf(membership, key);
      if (path === undefined) continue;
      const options = key.startsWith('name=') ? `none,${key}` : key;
      found.set(key, { version: 1, mountPoint, options, current: below(mountPoint, root, path) });
    }
  }
  return [...found.values()];
}

function pathOf(membership: string, controllers: string): string | undefined {
  for (const line of membership.split('\n')) {
    const match = /^\d+:([^:]*):(.*)$/.exec(line);
    if (match?.[1] === controllers) return match[2];
  }
  return undefined;
}

/** The directory of cgroup `path` in a mount whose own top is cgroup `root`. */
function below(mountPoint: string, root: string, path: string): string {
  const relative = root !== '/' && path.startsWith(root) ? path.slice(root.length) : path;
  return `${mountPoint}${relative}`.replace(/\/+$/, '');
}

/**
 * What cgroups sandbox `id` gets: a child of this process's cgroup in each version-1 hierarchy; in a pure
 * version-2 hierarchy a child of its top, since controllers cannot be delegated below a cgroup that holds processes.
 */
export function planCgroups(all: readonly Hierarchy[], id: string): readonly SandboxCgroup[] {
  const pure = all.every(({ version }) => version === 2);
  return all.map(({ version, mountPoint, options, current }) => {
    const dir = `${version === 2 ? mountPoint : current}/nix-snapshotter-testbed-${id}`;
    return { version, mountPoint, options, dir, processes: version === 2 && pure ? `${dir}/init` : dir };
  });
}

/** Makes the cgroups, cpusets filled in. In version 2 supervisor.sh delegates the controllers. */
export async function makeCgroups(cgroups: readonly SandboxCgroup[]): Promise<void> {
  for (const { version, dir, processes } of cgroups) {
    await mkdir(processes, { recursive: true });
    if (version === 1 && existsSync(`${dir}/cpuset.cpus`)) {
      await writeFile(`${dir}/cgroup.clone_children`, '1');
      for (const file of ['cpuset.cpus', 'cpuset.mems']) {
        const value = readFileSync(`${dir}/../${file}`, 'utf8');
        await writeFile(`${dir}/${file}`, value);
      }
    }
  }
}

/**
 * Kills what runs in the cgroups, then removes them and everything below them.
 *
 * @throws ExecaError when a cgroup is still in use after ten seconds.
 */
export async function removeCgroups(cgroups: readonly SandboxCgroup[]): Promise<void> {
  await execa('sh', ['-c', REMOVE, 'sh', ...cgroups.map(({ dir }) => dir)]);
}

/** Shell text: removes the cgroup trees given as arguments, and the processes in them. */
export const REMOVE = `
tries=0
for dir; do
  while [ -d "$dir" ]; do
    find "$dir" -name cgroup.procs -exec cat {} + 2>/dev/null | xargs -r kill -s KILL 2>/dev/null
    find "$dir" -depth -type d -exec rmdir {} + 2>/dev/null && continue
    tries=$((tries + 1))
    if [ $tries -gt 200 ]; then echo "cgroup $dir is still in use" >&2; exit 1; fi
    sleep 0.05
  done
done`;
