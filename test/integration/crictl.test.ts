import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { BUSYBOX_IMAGE, busyboxArchive } from '../fixtures/images.ts';
import { type Footprint, footprint } from './support/footprint.ts';
import { type GreeterClosure, forget, greeterClosure } from './support/greeter.ts';
import { ADDED, type InterleavedImage, interleavedImage } from './support/interleaved.ts';
import { inFull, matrix } from './support/matrix.ts';
import { importPause } from './support/pod.ts';
import { startRegistry } from './support/registry.ts';
import { RESOLVER_CONFIG, useResolver } from './support/resolver-hosts.ts';
import { Rig, eventually } from './support/rig.ts';

const MIB = 1024 * 1024;
/** CRI `NamespaceMode` of the node's own network. */
const SECURITY = { namespace_options: { network: 2 } };
const POD = {
  metadata: { name: 'clients', uid: 'clients', namespace: 'n' },
  log_directory: '/tmp/pod-logs',
  linux: { security_context: SECURITY },
};

interface Filesystem {
  readonly fsId: { readonly mountpoint: string };
  readonly usedBytes: { readonly value: string };
}

for (const row of await matrix(['1.7', '2.3', ...inFull('2.1', '2.4')], ['crictl'])) {
  describe(`crictl with Nix images, on containerd ${row.title}`, { skip: row.skip }, () => {
    let rig: Rig;
    let interleaved: InterleavedImage;
    let made: GreeterClosure;
    /** A plain store path with a shell. */
    let image: string;
    let pushed: string;
    let pod: string;
    let bare: Footprint;

    before(async () => {
      rig = await Rig.up({ row, cri: true, config: `${RESOLVER_CONFIG}[gc]\ngrace = "1s"\n` });
      await useResolver(rig);
      interleaved = await interleavedImage(rig);
      pushed = `${(await startRegistry(rig.node)).address}/interleaved:1`;
      await rig.nix2container(['push', interleaved.layout, pushed]);
      made = await greeterClosure(rig);
      await rig.cache.add([made.busybox]);
      await forget(rig, made);
      image = `nix:0${made.busybox}`;
      await importPause(rig);
      bare = await footprint(rig);
      await rig.node.writeFile('/tmp/pod.json', JSON.stringify(POD));
      pod = await crictl('runp', '/tmp/pod.json');
    });
    after(async () => await rig.down());

    const crictl = async (...args: readonly string[]): Promise<string> =>
      (await rig.containerd.crictl(args)).stdout;
    /** Starts a container of an image that is there. */
    const start = async (
      name: string,
      reference: string,
      command: readonly string[],
      settings: Readonly<Record<string, unknown>> = {},
    ): Promise<string> => {
      const container = {
        metadata: { name },
        image: { image: reference },
        command,
        log_path: `${name}.log`,
        linux: { security_context: SECURITY },
        ...settings,
      };
      await rig.node.writeFile('/tmp/container.json', JSON.stringify(container));
      const id = await crictl('create', '--no-pull', pod, '/tmp/container.json', '/tmp/pod.json');
      await crictl('start', id);
      return id;
    };
    const logged = async (id: string, text: string) =>
      await eventually(async () => assert.equal(await crictl('logs', id), text));
    const images = async () =>
      (JSON.parse(await crictl('images', '--output', 'json')) as { images: { repoTags: string[] }[] }).images;

    it('pull, images, inspecti', async () => {
      const said = await crictl('pull', image);
      const id = /sha256:[0-9a-f]{64}$/.exec(said)?.[0] ?? '';
      const { status } = JSON.parse(await crictl('inspecti', image)) as {
        status: { id: string; pinned: boolean; repoTags: string[] };
      };
      assert.deepEqual([status.id, status.pinned, status.repoTags], [id, false, [`${image}:latest`]]);
      assert.ok((await images()).some(({ repoTags }) => repoTags.includes(`${image}:latest`)));
    });

    it('one pod: an ordinary image, a store path, an interleaved image', async () => {
      const archive = await busyboxArchive(rig.node);
      await rig.containerd.ctr(['-n', 'k8s.io', 'image', 'import', '--snapshotter', 'nix', archive]);
      await crictl('pull', pushed);
      const greet = `echo ready; cat /app/added; greet pod; ${interleaved.packages.redis}/bin/redis-cli --version`;
      const mixed = await start('mixed', pushed, ['sh', '-c', `${greet}; exec sleep 1000`]);
      await eventually(async () => {
        const lines = await crictl('logs', mixed);
        assert.ok(lines.startsWith(`ready\n${ADDED}Hello from the Nix store, pod!\nredis-cli `), lines);
      });
      await logged(
        await start('ordinary', BUSYBOX_IMAGE, ['sh', '-c', 'echo ordinary; exec sleep 1000']),
        'ordinary',
      );
      const nix = await start('nix', image, ['sh', '-c', 'echo nix; exec sleep 1000']);
      await logged(nix, 'nix');
      const shown = (await crictl('exec', nix, 'ls', '/nix/store')).split('\n');
      assert.deepEqual(shown, [made.busybox.slice('/nix/store/'.length)]);
    });

    it('stats count what the container wrote, imagefsinfo what the snapshotter holds', async () => {
      const id = await start('writer', image, ['sleep', '1000']);
      await crictl('exec', id, 'dd', 'if=/dev/urandom', 'of=/big', 'bs=1M', 'count=8');
      await crictl('exec', id, 'sh', '-c', `echo x > ${made.busybox}/added`);
      await eventually(async () => {
        const { stats } = JSON.parse(await crictl('stats', '--output', 'json', '--id', id)) as {
          stats: { writableLayer?: Filesystem }[];
        };
        const layer = stats[0]?.writableLayer;
        assert.equal(layer?.fsId.mountpoint, rig.snapshotter.root);
        const used = Number(layer.usedBytes.value);
        assert.ok(used >= 8 * MIB && used < 9 * MIB, `${used} bytes`);
      });
      await eventually(async () => {
        const { status } = JSON.parse(await crictl('imagefsinfo')) as {
          status: { imageFilesystems: Filesystem[] };
        };
        const [filesystem] = status.imageFilesystems;
        assert.equal(filesystem?.fsId.mountpoint, rig.snapshotter.root);
        const du = await rig.node.exec(['du', '-s', '--block-size=1', `${rig.snapshotter.root}/snapshots`]);
        const held = Number(du.stdout.split('\t', 1)[0]);
        const used = Number(filesystem.usedBytes.value);
        assert.ok(Math.abs(used - held) < MIB, `${used} bytes of ${held}`);
      });
    });

    const READ = 'cat "$0"; touch /mnt/x 2> /dev/null || echo refused; exec sleep 1000';
    /** The volume's file as a container of its own reads it. */
    const assertVolume = async (name: string, file: string, settings: Readonly<Record<string, unknown>>) => {
      const said = await crictl('pull', `nix:0${made.greeter}`);
      const volume = /sha256:[0-9a-f]{64}$/.exec(said)?.[0];
      const mount = { container_path: '/mnt', image: { image: volume }, readonly: true, ...settings };
      const id = await start(name, image, ['sh', '-c', READ, file], { mounts: [mount] });
      await logged(id, 'Hello from the Nix store\nrefused');
    };
    // containerd 1.7 knows no images as volumes, 2.1 no parts of them: it mounts the whole.
    if (row.release !== '1.7') {
      it('an image as a volume', async () => {
        await assertVolume('whole', `/mnt${made.greeter}/share/greeter/message`, {});
      });
    }
    if (row.release !== '1.7' && row.release !== '2.1') {
      it('a part of an image as a volume', async () => {
        await assertVolume('part', '/mnt/greeter/message', {
          image_sub_path: `${made.greeter.slice(1)}/share`,
        });
      });
    }

    it('rmi, and when the pod is gone nothing is left, and Nix collects', async () => {
      await crictl('rmi', image, pushed);
      assert.ok(!(await images()).some(({ repoTags }) => repoTags.includes(`${image}:latest`)));
      await rig.node.exec(['nix-store', '--gc']);
      const containers = JSON.parse(await crictl('ps', '--output', 'json', '--name', 'nix')) as {
        containers: { id: string }[];
      };
      assert.equal(await crictl('exec', containers.containers[0]?.id ?? '', 'echo', 'alive'), 'alive');
      await crictl('rmp', '--force', pod);
      const tags = (await images()).flatMap(({ repoTags }) => repoTags);
      await crictl('rmi', ...tags.filter((tag) => !tag.startsWith('localhost/pause')));
      await eventually(async () => assert.deepEqual(await footprint(rig), bare));
      await rig.node.exec(['nix-store', '--gc']);
      const left = await rig.node.exec(['test', '-e', made.busybox], { reject: false });
      assert.equal(left.exitCode, 1);
    });
  });
}
