import assert from 'node:assert/strict';
import { mountPoints } from '../support/footprint.ts';
import type { Rig } from '../support/rig.ts';

/** Unmounts the one tree, with that mount point, that a client which knows of one mount only has left on the node. */
export async function unmountLeft({ node }: Rig, point: RegExp): Promise<void> {
  const points = await mountPoints(node);
  const left = points.filter((path) => point.test(path));
  assert.equal(left.length, 1, points.join('\n'));
  await node.exec(['umount', '--recursive', ...left]);
}
