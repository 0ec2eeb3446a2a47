import { readdir, readFile, writeFile } from 'node:fs/promises';
import { residentMiB } from '../bench/resident-memory.ts';
import { footprint } from '../integration/support/footprint.ts';
import type { Rig } from '../integration/support/rig.ts';

/** What a node and our daemon hold, by name. */
export type Census = Readonly<Record<string, number>>;

/** Figures of the daemon's process, which need not be exactly those of before. */
export interface ProcessFigures {
  readonly residentMiB: number;
  readonly descriptors: number;
  readonly threads: number;
}

/** Kept connections to Nix are processes of its own, and go after half a minute. */
const NIX_PROCESSES = ['nix-daemon', 'nix', 'nix-store'];

/** Counts everything that a pull, a container or an image may leave behind. */
export async function census(rig: Rig): Promise<Census> {
  const { node, containerd, snapshotter } = rig;
  const held = await footprint(rig);
  const lines = async (script: string) => (await node.sh(script)).stdout.split('\n').filter(Boolean);
  const processes = await lines(
    'for c in /proc/[0-9]*/comm; do read -r name < $c && echo "$name"; done 2>/dev/null || :',
  );
  const counts = { leases: 0, containers: 0, tasks: 0, images: 0, content: 0 };
  for (const namespace of await lines(
    `${containerd.binDir}/ctr --address ${containerd.socket} namespace ls -q`,
  )) {
    const ctr = async (...args: readonly string[]) =>
      (await containerd.ctr(['-n', namespace, ...args, 'ls', '-q'])).stdout.split('\n').filter(Boolean)
        .length;
    counts.leases += await ctr('leases');
    counts.containers += await ctr('container');
    counts.tasks += await ctr('task');
    counts.images += await ctr('image');
    counts.content += await ctr('content');
  }
  return {
    'processes, without those of Nix': processes.filter((name) => !NIX_PROCESSES.includes(name)).length,
    'mounts of the node': held.mounts.length,
    'GC roots of snapshots': held.roots.length,
    'GC roots of what was pulled': held.pulled.length,
    "Nix's links to GC roots": (await lines('ls /nix/var/nix/gcroots/auto')).length,
    'snapshots that containerd knows': held.snapshots.length,
    'directories of snapshots': held.directories.length,
    views: held.views.length,
    "files in the daemon's root": (
      await lines(
        `find ${snapshotter.root} -mindepth 1 -not -path '*/metadata/*' -not -path '*/layer-digests/*'`,
      )
    ).length,
    'temporary files': (
      await lines('find /tmp /run/nix-snapshotter /var/lib/containerd/tmpmounts -mindepth 1')
    ).length,
    'leases of containerd': counts.leases,
    containers: counts.containers,
    tasks: counts.tasks,
    images: counts.images,
    'blobs of containerd': counts.content,
  };
}

/** Reads the daemon's process as it is now. */
export async function processFigures({ snapshotter }: Rig): Promise<ProcessFigures> {
  const pid = await snapshotter.process.pid();
  return {
    residentMiB: await residentMiB(pid),
    descriptors: (await readdir(`/proc/${pid}/fd`)).length,
    threads: (await readdir(`/proc/${pid}/task`)).length,
  };
}

/** From now on {@link peakMiB} counts. */
export async function resetPeak({ snapshotter }: Rig): Promise<void> {
  await writeFile(`/proc/${await snapshotter.process.pid()}/clear_refs`, '5');
}

/** The most that the daemon had resident since {@link resetPeak}. */
export async function peakMiB({ snapshotter }: Rig): Promise<number> {
  const status = await readFile(`/proc/${await snapshotter.process.pid()}/status`, 'utf8');
  const kibibytes = /^VmHWM:\s+(\d+) kB/m.exec(status)?.[1];
  if (kibibytes === undefined) throw new Error("the daemon's status names no VmHWM");
  return Number(kibibytes) / 1024;
}
