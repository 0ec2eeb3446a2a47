import type { Rig } from './rig.ts';

/** What images and containers leave on a node while they are there. */
export interface Footprint {
  /** Directories of our daemon's snapshots, by id. */
  readonly directories: readonly string[];
  /** Names of our daemon's GC roots. */
  readonly roots: readonly string[];
  /** Snapshots of ours that containerd knows, in all namespaces. */
  readonly snapshots: readonly string[];
  /** Mount points of the node. */
  readonly mounts: readonly string[];
}

/** Reads the footprint as it is now. */
export async function footprint({ node, snapshotter, containerd }: Rig): Promise<Footprint> {
  const list = async (dir: string) => lines((await node.exec(['ls', `${snapshotter.root}/${dir}`])).stdout);
  const mounts = lines((await node.exec(['cut', '-d', ' ', '-f', '5', '/proc/1/mountinfo'])).stdout);
  const snapshots: string[] = [];
  for (const namespace of lines((await containerd.ctr(['namespace', 'ls', '-q'])).stdout)) {
    const known = await containerd.ctr(['-n', namespace, 'snapshot', '--snapshotter', 'nix', 'ls']);
    snapshots.push(...lines(known.stdout).slice(1));
  }
  return { directories: await list('snapshots'), roots: await list('gcroots'), snapshots, mounts };
}

function lines(text: string): readonly string[] {
  return text.split('\n').filter(Boolean).toSorted();
}
