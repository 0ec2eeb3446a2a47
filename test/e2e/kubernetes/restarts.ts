import assert from 'node:assert/strict';
import { it } from 'node:test';
import { NODE_NAME, SERVICES } from '../../sandbox/kubernetes/configuration.ts';
import { eventually } from '../../integration/support/rig.ts';
import { deployment, redis } from './objects.ts';
import type { World } from './world.ts';

/** Every program of a node is started again, one after the other. */
export function restarts(world: () => World): void {
  it('the same containers answer after each component was started again, and more of them start', async (t) => {
    const { rig, cluster, redis: path } = world();
    await cluster.apply(deployment('lasting', { containers: [redis(path)] }));
    await world().ready('deployment', 'lasting');
    const { uid } = (await world().pod('lasting')).metadata;
    const said = async (word: string) =>
      await world().exec('deployment/lasting', ['redis-cli', 'APPEND', 'words', word]);
    await said('0');

    const components: readonly (readonly [string, () => Promise<void>])[] = [
      ['nix-snapshotter', async () => await rig.restartSnapshotter()],
      ['containerd', async () => await rig.containerd.restart()],
      ...SERVICES.map((service) => [service, async () => await cluster.restart(service)] as const),
    ];
    let length = 1;
    for (const [name, restart] of components) {
      const start = performance.now();
      await restart();
      t.diagnostic(`${name} was ready again after ${((performance.now() - start) / 1000).toFixed(1)} s`);
      length += 1;
      const expected = String(length);
      // The kubelet dials containerd anew, and the API server dials etcd anew, a moment later.
      await eventually(async () => {
        assert.equal(await world().exec('deployment/lasting', ['redis-cli', 'PING']), 'PONG', name);
      });
      assert.equal(await said('x'), expected, `after a restart of ${name}`);
    }
    const { metadata, status } = await world().pod('lasting');
    assert.equal(metadata.uid, uid);
    assert.equal(status.containerStatuses?.[0]?.restartCount, 0);

    await cluster.kubectl(['wait', '--for=condition=Ready', `node/${NODE_NAME}`, '--timeout=60s']);
    await cluster.kubectl(['scale', 'deployment/lasting', '--replicas=2']);
    await cluster.kubectl(['rollout', 'status', 'deployment/lasting', '--timeout=60s']);
  });
}
