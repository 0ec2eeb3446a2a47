import { inside } from '../../sandbox/layout.ts';
import type { Rig } from '../support/rig.ts';

/** What `nix-snapshotter status --json` says of the GC roots. */
export async function daemonStatus(
  rig: Rig,
): Promise<{ readonly gc_roots: number; readonly retired_gc_roots: number }> {
  const command = ['node', `${inside.project}/dist/nix-snapshotter.mjs`, 'status', '--json'];
  const { gc_roots: roots, retired_gc_roots: retired } = JSON.parse(
    (await rig.node.exec(command)).stdout,
  ) as {
    gc_roots: string;
    retired_gc_roots: string;
  };
  return { gc_roots: Number(roots), retired_gc_roots: Number(retired) };
}
