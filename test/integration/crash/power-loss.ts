import { writeFile, truncate } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import { execa } from 'execa';
import { adminPath } from '../../sandbox/admin-path.ts';
import { SNAPSHOTTER_ROOT } from '../../sandbox/containerd.ts';
import type { Sandbox } from '../../sandbox/sandbox.ts';
import type { Disaster } from './boundaries.ts';

const BYTES = 64 * 1024 ** 2;
const IMAGES = '/var/lib/disks';
const BOOT_ID = '/run/boot-id';
/** Seconds after which the journal commits by itself: longer than any test takes. */
const COMMIT_INTERVAL = 3600;

/**
 * The host loses power: of the daemon's root, an ext4 of its own on a loop device, only what was written to the device is there
 * afterwards. A copy of the file behind the device is that: what is not synced is in the page cache of the file system on it. All
 * mounts are gone, and the host has another boot id.
 */
export const POWER_LOSS: Disaster = {
  name: 'loss of power',
  containersLive: false,
  // It has a secret on disk, made once, without which it does not start.
  config: '[resolver]\naddress = "127.0.0.1:7373"\n',
  async prepare(node) {
    await node.exec(['mkdir', '-p', IMAGES, SNAPSHOTTER_ROOT]);
    const image = node.hostPath(`${IMAGES}/0`);
    await writeFile(image, '');
    await truncate(image, BYTES);
    await execa('mkfs.ext4', ['-q', '-F', image], { env: adminPath() });
    await node.sh(`
      [ -e /dev/loop-control ] || mknod /dev/loop-control c 10 237
      for n in $(seq 0 63); do [ -e /dev/loop$n ] || mknod /dev/loop$n b 7 $n; done
      touch ${BOOT_ID}
      mount --bind ${BOOT_ID} /proc/sys/kernel/random/boot_id`);
    await boot(node, '0');
  },
  async strike(world) {
    const { node } = world;
    world.hasLostFiles = true;
    const [from, to] = [`${IMAGES}/now`, `${IMAGES}/${randomUUID()}`];
    await node.sh(`
      cp --sparse=always "$(readlink ${from})" ${to}
      umount -R -l ${SNAPSHOTTER_ROOT}
      rm "$(readlink ${from})"`);
    await boot(node, to.slice(IMAGES.length + 1));
  },
};

async function boot(node: Sandbox, image: string): Promise<void> {
  await node.sh(`
    ln -sfn ${IMAGES}/${image} ${IMAGES}/now
    echo ${randomUUID()} > ${BOOT_ID}
    mount -o loop,commit=${COMMIT_INTERVAL} ${IMAGES}/${image} ${SNAPSHOTTER_ROOT}`);
}
