import type { Sandbox } from '../../sandbox/sandbox.ts';
import type { Rig } from './rig.ts';

/** What images and containers leave on a node while they are there. */
export interface Footprint {
  /** Directories of our daemon's snapshots, by id. */
  readonly directories: readonly string[];
  /** Names of our daemon's GC roots. */
  readonly roots: readonly string[];
  /** Names of the GC roots of what was pulled and has no snapshot. */
  readonly pulled: readonly string[];
  /** Directories of our daemon's overlay views. */
  readonly views: readonly string[];
  /** Snapshots of ours that containerd knows, in all namespaces. */
  readonly snapshots: readonly string[];
  /** Mount points of the node. */
  readonly mounts: readonly string[];
}

/** Reads the footprint as it is now. */
export async function footprint({ node, snapshotter, containerd }: Rig): Promise<Footprint> {
  const list = async (dir: string) =>
    lines(
      (await node.sh(`ls ${snapshotter.root} | grep -qx ${dir} || exit 0; ls ${snapshotter.root}/${dir}`))
        .stdout,
    );
  const mounts = await mountPoints(node);
  const snapshots: string[] = [];
  for (const namespace of lines((await containerd.ctr(['namespace', 'ls', '-q'])).stdout)) {
    const known = await containerd.ctr(['-n', namespace, 'snapshot', '--snapshotter', 'nix', 'ls']);
    snapshots.push(...lines(known.stdout).slice(1));
  }
  return {
    directories: await list('snapshots'),
    roots: await list('gcroots'),
    pulled: await list('pulled'),
    views: await list('views'),
    snapshots,
    mounts,
  };
}

/** Mount points of a node, sorted. */
export async function mountPoints(node: Sandbox): Promise<readonly string[]> {
  return lines((await node.exec(['cut', '-d', ' ', '-f', '5', '/proc/1/mountinfo'])).stdout);
}

function lines(text: string): readonly string[] {
  return text.split('\n').filter(Boolean).toSorted();
}
