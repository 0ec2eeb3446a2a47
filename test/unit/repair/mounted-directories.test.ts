import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { idsIn } from '../../../src/repair/mounted-directories.ts';

const SNAPSHOTS = '/var/lib/the root/snapshots';
/** Where the root is a symlink to. */
const REAL = '/disk/root/snapshots';
const SHOWN = '/var/lib/the\\040root/snapshots';
const MOUNT = '90 28 0:60 / /run/task/rootfs rw,relatime shared:1 - overlay overlay';

function ids(...lines: readonly string[]): readonly number[] {
  return [...new Set(idsIn(lines.join('\n'), [SNAPSHOTS, REAL]))].toSorted((one, other) => one - other);
}

describe('directories that mounts use', () => {
  it('are all those of an overlay', () => {
    const lower = `lowerdir=${SHOWN}/2/fs:${SHOWN}/1/fs`;
    assert.deepEqual(
      ids(`${MOUNT} rw,${lower},upperdir=${SHOWN}/30/fs,workdir=${SHOWN}/30/work`),
      [1, 2, 30],
    );
  });

  it('are those that a long overlay names relative to their parent', () => {
    assert.deepEqual(
      ids(`${MOUNT} rw,lowerdir=2/fs:1/fs,upperdir=${SHOWN}/30/fs,workdir=${SHOWN}/30/work`),
      [1, 2, 30],
    );
  });

  it('are those of a long overlay without an upper directory: a container that cannot write', () => {
    assert.deepEqual(ids(`${MOUNT} ro,lowerdir=20/fs:2/fs:1/fs`), [1, 2, 20]);
  });

  it('are those that an overlay names without the symlink that leads to the root', () => {
    assert.deepEqual(ids(`${MOUNT} rw,lowerdir=${REAL}/2/fs:${REAL}/1/fs,upperdir=${REAL}/3/fs`), [1, 2, 3]);
  });

  it('are those that are bound', () => {
    assert.deepEqual(ids(`91 28 8:1 /lib/x/snapshots/7/fs /run/task/rootfs rw - ext4 /dev/sda rw`), [7]);
  });

  it('are none of another snapshotter’s', () => {
    const other = '/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots';
    assert.deepEqual(ids(`${MOUNT} rw,lowerdir=${other}/2/fs:${other}/1/fs,upperdir=${other}/3/fs`), []);
  });
});
