import assert from 'node:assert/strict';
import { it } from 'node:test';
import { closureOf } from '../../fixtures/packages.ts';
import { ociArchive } from '../../fixtures/oci-archive.ts';
import { type Rig, eventually } from '../../integration/support/rig.ts';
import { deployment, idle, pod, redis } from './objects.ts';
import type { World } from './world.ts';

const MEBIBYTE = 1024 * 1024;
/** Mebibytes of the file system of our snapshots. */
const LOW = 100;
/** In milliseconds: containerd counts, and the kubelet looks, every 10 seconds. */
const PATIENCE = 60_000;
const FAT_IMAGE = 'localhost/fat:1';

interface Summary {
  readonly pods: readonly {
    readonly podRef: { readonly name: string };
    readonly containers: readonly {
      readonly name: string;
      readonly rootfs: { readonly usedBytes: number };
    }[];
  }[];
}

/** How the kubelet counts disk space, and what it does when there is little. */
export function disk(world: () => World): void {
  it('stats/summary counts what a container wrote, and nothing of the store', async (t) => {
    const { rig, cluster, busybox, redis: path } = world();
    const write = `dd if=/dev/zero of=/written bs=1M count=3; exec sleep 100000`;
    const writer = { ...idle('writer', `nix:0${busybox}`), command: ['sh', '-c', write] };
    await cluster.apply(pod('counted', { containers: [writer, redis(path)] }));
    await world().ready('pod', 'counted');
    const { stdout } = await rig.node.exec(['du', '-scb', ...(await closureOf(rig.node, [path]))]);
    const stored = Number(stdout.split('\n').at(-1)?.split('\t')[0]);
    assert.ok(stored > 5 * MEBIBYTE, stdout);
    const used = await counted(
      world(),
      ['writer', 'redis'],
      (bytes) => (bytes['writer'] ?? 0) >= 3 * MEBIBYTE,
    );
    t.diagnostic(`written 3 MiB, closure ${stored} bytes; counted ${JSON.stringify(used)}`);
    const { writer: written = 0, redis: idleBytes = Number.NaN } = used;
    assert.ok(written < 4 * MEBIBYTE, String(written));
    assert.ok(idleBytes < MEBIBYTE, String(idleBytes));
  });

  it('a pod that writes more than its ephemeral-storage limit is evicted', async (t) => {
    const { cluster, busybox } = world();
    const write = `dd if=/dev/zero of=/written bs=1M count=5; exec sleep 100000`;
    const resources = { limits: { 'ephemeral-storage': '2Mi' } };
    const writer = { ...idle('writer', `nix:0${busybox}`), command: ['sh', '-c', write], resources };
    await cluster.apply(pod('greedy', { containers: [writer] }));
    const { status } = await world().until('greedy', (seen) => seen.status.phase === 'Failed');
    assert.equal(status.reason, 'Evicted');
    assert.match(status.message ?? '', /ephemeral.*(limit|usage)/i);
    t.diagnostic(status.message ?? '');
  });

  it('the kubelet removes unused images when space is low; their roots go, and what pods use stays', async () => {
    const { rig, cluster, greeter, redis: path } = world();
    await cluster.apply(deployment('used', { containers: [redis(path)] }));
    await world().ready('deployment', 'used');
    const { uid } = (await world().pod('used')).metadata;
    await rig.containerd.crictl(['pull', `nix:0${greeter}`]);
    await importFatImage(rig);
    const roots = async () =>
      (await rig.node.sh(`ls ${rig.snapshotter.root}/gcroots`)).stdout.split('\n').filter(Boolean);
    const all = await roots();
    const present = async () =>
      (await world().images()).filter((name) => /greeter|fat/.test(name)).toSorted();
    assert.deepEqual(await present(), [FAT_IMAGE, `nix:0${greeter}:latest`]);

    const filler = `${rig.snapshotter.root}/filler`;
    const free = `free=$(($(stat -f -c '%a*%S/1048576' ${rig.snapshotter.root})))`;
    const settings = { evictionHard: { 'imagefs.available': `${LOW}Mi` }, imageMinimumGCAge: '1s' };
    await cluster.configureKubelet({ settings });
    try {
      // A kubelet that starts in want of space takes no pods back.
      await eventually(async () => {
        const { pods } = await world().kubelet<Summary>('stats/summary');
        assert.ok(pods.some(({ podRef }) => podRef.name.startsWith('used-')));
      });
      await rig.node.sh(`${free}; head -c $((free - ${LOW - 40}))M /dev/zero > ${filler}`);
      await eventually(async () => assert.deepEqual(await present(), []), PATIENCE);
    } finally {
      await rig.node.exec(['rm', '-f', filler]);
      await cluster.configureKubelet({});
    }
    await eventually(async () => assert.equal((await roots()).length, all.length - 1));
    await rig.node.exec(['nix-store', '--gc']);
    const check = ['nix-store', '--check-validity', '--print-invalid', greeter, path];
    assert.equal((await rig.node.exec(check)).stdout, greeter);
    await world().ready('deployment', 'used');
    assert.equal((await world().pod('used')).metadata.uid, uid);
    // A kubelet that was just started does not know its pods yet.
    await eventually(async () => {
      assert.equal(await world().exec('deployment/used', ['redis-cli', 'PING']), 'PONG');
    });
  });
}

/** An ordinary image: without it nothing is low. */
async function importFatImage({ node, containerd }: Rig): Promise<void> {
  const content = new Uint8Array(100 * MEBIBYTE);
  const archive = await ociArchive({ name: FAT_IMAGE, layers: [{ entries: [{ path: 'fat', content }] }] });
  await node.writeFile('/tmp/images/fat.tar', archive);
  const flags = ['-n', 'k8s.io', 'image', 'import', '--snapshotter', 'nix'];
  await containerd.ctr([...flags, '/tmp/images/fat.tar']);
}

/** Bytes of containers' own files, once the kubelet has counted enough. */
async function counted(
  world: World,
  names: readonly string[],
  enough: (bytes: Readonly<Record<string, number>>) => boolean,
): Promise<Readonly<Record<string, number>>> {
  let last: Record<string, number> = {};
  await eventually(async () => {
    const { pods } = await world.kubelet<Summary>('stats/summary');
    const containers = pods.find(({ podRef }) => podRef.name === 'counted')?.containers ?? [];
    last = Object.fromEntries(containers.map(({ name, rootfs }) => [name, rootfs.usedBytes]));
    assert.ok(names.every((name) => name in last) && enough(last), `counted so far: ${JSON.stringify(last)}`);
  }, PATIENCE);
  return last;
}
