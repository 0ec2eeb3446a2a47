import assert from 'node:assert/strict';
import { it } from 'node:test';
import { PAUSE_IMAGE } from '../../sandbox/containerd-config.ts';
import { pauseArchive } from '../../fixtures/images.ts';
import { APP_USER_ID } from '../support/base-image.ts';
import type { ViewRow } from '../support/matrix.ts';
import { type Pod, type PodOptions, runPod } from '../support/pod.ts';
import { limited } from '../support/view-limits.ts';
import { IMAGES, SEED } from './images.ts';
import { unmountLeft } from './left-mounts.ts';
import type { Subject } from './subject.ts';

/** What CRI, and with it the kubelet, makes of a container's root file system. */
export function pods(row: ViewRow, subject: () => Subject): void {
  it('CRI: a user by name, with its supplementary groups', async () => {
    await using pod = await start(subject(), IMAGES.plain, { security: { run_as_username: 'appuser' } });
    assert.equal(await pod.exec(['id']), APP_USER_ID);
    const { greeter } = subject().packages;
    assert.equal(await pod.exec([`${greeter}/bin/greet`, 'pod']), 'Hello from the Nix store, pod!');
  });

  const notCreated = async () => {
    await assert.rejects(start(subject(), IMAGES.volume), /device or resource busy/);
    await unmountLeft(subject().rig, /^\/tmp\/ctd-volume\d+$/);
  };
  limited(row, 'CRI: a volume of the image starts with the files that the image has there', {
    async holds() {
      await using pod = await start(subject(), IMAGES.volume);
      assert.equal(`${await pod.exec(['cat', '/data/seed'])}\n`, SEED);
      assert.equal(await pod.exec(['grep', '-c', ' /data ', '/proc/mounts']), '1');
    },
    binds: notCreated,
    store: notCreated,
  });

  // containerd has them since 2.1.
  if (row.release !== '1.7') {
    const mounts = [{ container_path: '/image', image: { image: IMAGES.merged }, readonly: true }];
    const assertMounted = async (pod: Pod) => {
      const { greeter, busybox } = subject().packages;
      const run = ['chroot', '/image', `${busybox}/bin/sh`, `${greeter}/bin/greet`, 'volume'];
      assert.equal(await pod.exec(run), 'Hello from the Nix store, volume!');
    };
    const notStopped = async () => {
      const pod = await start(subject(), IMAGES.plain, { mounts });
      await assertMounted(pod);
      await assert.rejects(async () => await pod[Symbol.asyncDispose](), /device or resource busy/);
      await unmountLeft(subject().rig, /\/image-volumes\/[0-9a-f]+\/[0-9a-f]+$/);
      await pod[Symbol.asyncDispose]();
    };
    limited(row, 'CRI: an image as a volume', {
      async holds() {
        await using pod = await start(subject(), IMAGES.plain, { mounts });
        await assertMounted(pod);
      },
      binds: notStopped,
      store: notStopped,
    });
  }
}

async function start(subject: Subject, image: string, options?: PodOptions): Promise<Pod> {
  const { stdout } = await subject.ctr(['image', 'ls', '-q']);
  if (!stdout.split('\n').includes(PAUSE_IMAGE)) {
    await subject.ctr(['image', 'import', '--snapshotter', 'nix', await pauseArchive(subject.rig.node)]);
  }
  return await runPod(subject.rig, image, options);
}
