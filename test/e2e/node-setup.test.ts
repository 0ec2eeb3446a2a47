import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { binaryCache } from '../fixtures/binary-cache.ts';
import { configureNix } from '../fixtures/nix-config.ts';
import { buildPackages, closureOf, deletePaths } from '../fixtures/packages.ts';
import { matrix } from '../integration/support/matrix.ts';
import { importPause } from '../integration/support/pod.ts';
import { DAEMON_CONFIG, ROOT, SetupNode } from '../integration/support/setup.ts';
import { Cluster } from '../sandbox/kubernetes/cluster.ts';
import { inside } from '../sandbox/layout.ts';
import { startSnapshotter } from '../sandbox/snapshotter.ts';
import { pod, redis } from './kubernetes/objects.ts';

const [row] = await matrix(['2.3'], ['etcd', 'kubernetes']);

describe('a node of a cluster', { skip: row?.skip ?? false }, () => {
  it('runs store paths after "nix-snapshotter setup --containerd", its kubelet as it was', async () => {
    assert.ok(row);
    const machine = await SetupNode.up(row);
    const { containerd } = machine;
    await using node = machine.node;
    const cluster = await Cluster.up(node, containerd);

    for (const overlay of ['base', 'k3s', 'uninstall']) await assertTaken(cluster, overlay);

    const { exitCode, stderr } = await machine.setup('--containerd');
    assert.equal(exitCode, 0, stderr);
    await startSnapshotter(node, { config: await node.readFile(DAEMON_CONFIG), root: ROOT });
    await containerd.restart();
    await importPause({ node, containerd });

    const { redis: path } = await buildPackages(node, ['redis']);
    const cache = await binaryCache(node, [path], { signed: true });
    await configureNix(node, { substituters: [cache] });
    await deletePaths(node, await closureOf(node, [path]));
    await cluster.apply(pod('redis', { containers: [redis(path)] }));
    await cluster.kubectl(['wait', '--for=condition=Ready', 'pod/redis', '--timeout=90s']);
    assert.equal((await cluster.kubectl(['exec', 'redis', '--', 'redis-cli', 'PING'])).stdout, 'PONG');
  });
});

/** The API server takes what is in a folder of modules/kubernetes, each field of it. */
async function assertTaken(cluster: Cluster, overlay: string): Promise<void> {
  await cluster.kubectl(['create', 'namespace', 'nix-snapshotter'], { reject: false });
  const { stdout } = await cluster.kubectl(['kustomize', `${inside.project}/modules/kubernetes/${overlay}`]);
  const dry = ['apply', '--dry-run=server', '--validate=strict', '-f', '-'];
  const applied = await cluster.kubectl(dry, { input: stdout });
  assert.match(applied.stdout, /^daemonset\.apps\/nix-snapshotter created \(server dry run\)$/m);
}
