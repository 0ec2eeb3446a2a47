import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { BUSYBOX_IMAGE, busyboxArchive, pauseArchive } from '../fixtures/images.ts';
import { APP_USER_ID } from './support/base-image.ts';
import { runContainer } from './support/container.ts';
import { type Footprint, footprint } from './support/footprint.ts';
import { type GreeterClosure, greeterClosure, ownImage } from './support/greeter.ts';
import { inFull, matrix, type ReleasesOfViews, viewMatrix } from './support/matrix.ts';
import { type Pod, runPod } from './support/pod.ts';
import { Rig, eventually } from './support/rig.ts';
import { limited } from './support/view-limits.ts';
import { IMAGES, type ImagesClosure, NAMESPACE, loadImages } from './views/images.ts';

/** CRI asks for id-mapped bind mounts, which runc has since 1.2: Debian unstable's. */
const RELEASES: ReleasesOfViews = {
  overlay: ['2.1', '2.2', '2.4', ...inFull('2.3')],
  binds: ['2.3'],
  store: inFull('2.3'),
};
const PODS = (await viewMatrix(['crictl', 'debian-sid'], RELEASES)).map((row) => ({
  ...row,
  suite: 'sid' as const,
}));

for (const row of PODS) {
  describe(`user-namespaced pods, on containerd ${row.title}`, { skip: row.skip }, () => {
    let rig: Rig;
    let images: ImagesClosure;
    let bare: Footprint;

    before(async () => {
      rig = await Rig.up({ row, cri: true, capabilities: ['remap-ids'] });
      images = await loadImages(rig);
      await load(rig, await pauseArchive(rig.node));
      await load(rig, await busyboxArchive(rig.node));
      bare = await footprint(rig);
    });
    after(async () => await rig.down());

    const greeting = async (pod: Pod) => await pod.exec([`${images.packages.greeter}/bin/greet`, 'pod']);
    const assertGone = async () =>
      await eventually(async () => {
        // containerd removes what has gone when it next collects, which may be long after the last removal.
        await rig.containerd.ctr(['content', 'prune', 'references']);
        assert.deepEqual(await footprint(rig), bare);
      });

    it('run, find users, and write into their own layer with their own ids', async () => {
      {
        await using pod = await userNamespacedPod(rig, IMAGES.plain, 100_000, { run_as_username: 'appuser' });
        assert.equal(await pod.exec(['id']), APP_USER_ID);
        assert.match(await pod.exec(['cat', '/proc/self/uid_map']), /^\s*0\s+100000\s+65536$/);
        assert.equal(await greeting(pod), 'Hello from the Nix store, pod!');
      }
      {
        await using pod = await userNamespacedPod(rig, IMAGES.plain, 100_000);
        await pod.exec(['sh', '-c', 'echo mine > /data/seed']);
        assert.equal(
          await pod.exec(['stat', '-c', '%u:%g', '/data/seed', '/data', '/bin/busybox']),
          '0:0\n0:0\n0:0',
        );
        const { stdout } = await rig.node.sh(
          `stat -c %u:%g ${rig.snapshotter.root}/snapshots/*/fs/data/seed | sort -u`,
        );
        assert.equal(stdout, '0:0\n100000:100000');
      }
      await assertGone();
    });

    const ownersAre = async (expected: string) => {
      await using pod = await userNamespacedPod(rig, IMAGES.plain, 100_000);
      const { greeter, file } = images.packages;
      const paths = [greeter, `${greeter}/share/greeter/message`, file];
      assert.equal(await pod.exec(['stat', '-c', '%u:%g', ...paths]), Array(3).fill(expected).join('\n'));
      assert.equal(await greeting(pod), 'Hello from the Nix store, pod!');
    };
    limited(row, 'store paths belong to the root of a user-namespaced container', {
      holds: () => ownersAre('0:0'),
      binds: () => ownersAre('65534:65534'),
      store: () => ownersAre('65534:65534'),
    });

    if (row.view === 'overlay') {
      it('may change what they see of the store', async () => {
        await using pod = await userNamespacedPod(rig, IMAGES.plain, 100_000);
        const { greeter, file, equals } = images.packages;
        const change = `echo changed > ${file}; chmod 755 ${greeter}; echo new > ${greeter}/new; rm -rf ${equals}`;
        await pod.exec(['sh', '-ec', change]);
        assert.equal(await pod.exec(['cat', file, `${greeter}/new`]), 'changed\nnew');
        const { stdout } = await rig.node.exec(['nix-store', '--verify-path', ...images.paths]);
        assert.equal(stdout, '');
      });
    }

    it('have ids of their own each, beside a pod without, also of an ordinary image', async () => {
      {
        await using one = await userNamespacedPod(rig, IMAGES.plain, 100_000);
        await using other = await userNamespacedPod(rig, IMAGES.changed, 200_000);
        await using plain = await runPod(rig, IMAGES.plain);
        await using ordinary = await userNamespacedPod(rig, BUSYBOX_IMAGE, 300_000);
        for (const pod of [one, other, plain, ordinary]) {
          assert.equal(await pod.exec(['stat', '-c', '%u:%g', '/bin']), '0:0');
        }
        for (const pod of [one, plain]) assert.equal(await greeting(pod), 'Hello from the Nix store, pod!');
        await rig.restartSnapshotter();
        assert.equal(await greeting(one), 'Hello from the Nix store, pod!');
        await using late = await userNamespacedPod(rig, IMAGES.plain, 100_000);
        assert.equal(await greeting(late), 'Hello from the Nix store, pod!');
      }
      await assertGone();
    });

    const seedBelongsTo = async (owner: string) => {
      await using pod = await userNamespacedPod(rig, IMAGES.volume, 100_000);
      assert.equal(await pod.exec(['stat', '-c', '%u:%g', '/data/seed']), owner);
    };
    const notCreated = async () => {
      await assert.rejects(userNamespacedPod(rig, IMAGES.volume, 100_000), /device or resource busy/);
    };
    limited(row, 'a volume that the image has files in belongs to the root of a user-namespaced container', {
      holds: () => seedBelongsTo('0:0'),
      overlay: () => seedBelongsTo('65534:65534'),
      binds: notCreated,
      store: notCreated,
    });
  });
}

const IMAGE = 'localhost/greeter:1';
const USER_NAMESPACE = ['--uidmap', '0:100000:65536', '--gidmap', '0:100000:65536'];

for (const row of await matrix(['1.7', '2.3'])) {
  describe(`user-namespaced containers of ctr, on containerd ${row.title}`, { skip: row.skip }, () => {
    let rig: Rig;
    let made: GreeterClosure;

    before(async () => {
      // The mounter of 1.7 knows nothing of id-mapped mounts.
      rig = await Rig.up({ row, capabilities: row.release === '1.7' ? [] : ['remap-ids'] });
      made = await greeterClosure(rig);
      const archive = await busyboxArchive(rig.node);
      await rig.nix2container(['load', await ownImage(rig, made, IMAGE, ['--from-image', archive])]);
      await rig.containerd.ctr(['image', 'import', '--snapshotter', 'nix', archive]);
    });
    after(async () => await rig.down());

    const run = async (image: string, ...flags: readonly string[]) =>
      await runContainer(rig, { image, id: 'test', flags: [...USER_NAMESPACE, ...flags], reject: false }, [
        'sh',
        '-c',
        `stat -c %u:%g /bin; greet user 2>/dev/null`,
      ]);

    it('are copies with other owners when nothing is mapped: refused for a Nix image', async () => {
      const { exitCode, stderr } = await run(IMAGE);
      assert.notEqual(exitCode, 0);
      assert.match(stderr, /would copy closures out of the store; declare capabilities = \["remap-ids"\]/);
      assert.match((await run(BUSYBOX_IMAGE)).stdout, /^0:0$/);
    });

    if (row.release !== '1.7') {
      it('run with their ids mapped', async () => {
        assert.equal((await run(IMAGE, '--remap-labels')).stdout, '0:0\nHello from the Nix store, user!');
        assert.match((await run(BUSYBOX_IMAGE, '--remap-labels')).stdout, /^0:0$/);
      });

      it('are refused where mount(8) is too old, which would ignore the mapping without a word', async () => {
        await rig.node.writeFile('/usr/local/bin/mount', OLD_MOUNT, 0o755);
        await rig.restartSnapshotter();
        const { exitCode, stderr } = await run(IMAGE, '--remap-labels');
        assert.notEqual(exitCode, 0);
        assert.match(
          stderr,
          /needs mount of util-linux 2\.39 or newer \(this host: mount from util-linux 2\.38\.1/,
        );
        const { stdout } = await runContainer(rig, { image: IMAGE, id: 'test' }, ['greet', 'root']);
        assert.equal(stdout, 'Hello from the Nix store, root!');
      });
    }
  });
}

/** Says what Debian 12's says of itself. */
const OLD_MOUNT = `#!/bin/sh
[ "$1" != --version ] || exec echo 'mount from util-linux 2.38.1 (libmount 2.38.1: selinux, smack, btrfs, verity, namespaces, assert, debug)'
exec /usr/bin/mount "$@"
`;

/** A pod whose root is a user of the node's: 65536 ids from `first` on. */
async function userNamespacedPod(
  rig: Rig,
  image: string,
  first: number,
  security: Readonly<Record<string, unknown>> = {},
): Promise<Pod> {
  const ids = [{ container_id: 0, host_id: first, length: 65_536 }];
  // 0 is the pod's own name space, of users and of the network (CRI `NamespaceMode`).
  const namespaces = { network: 0, userns_options: { mode: 0, uids: ids, gids: ids } };
  return await runPod(rig, image, { namespaces, security });
}

async function load(rig: Rig, archive: string): Promise<void> {
  await rig.containerd.ctr(['-n', NAMESPACE, 'image', 'import', '--snapshotter', 'nix', archive]);
}
