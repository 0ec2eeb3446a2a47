import assert from 'node:assert/strict';
import { it } from 'node:test';
import { idle, pod, redis } from './objects.ts';
import type { PodStatus, World } from './world.ts';

/** Why the first container of a pod does not run yet. */
export function waiting({
  status,
}: PodStatus): { readonly reason: string; readonly message?: string } | undefined {
  return status.containerStatuses?.[0]?.state.waiting;
}

/** What the kubelet makes of `imagePullPolicy`. */
export function pulls(world: () => World): void {
  it('imagePullPolicy Never: an absent image is refused, one that is there runs', async () => {
    const { rig, cluster, busybox } = world();
    const image = `nix:0${busybox}`;
    const containers = [idle('main', image, { imagePullPolicy: 'Never' })];
    await cluster.apply(pod('refused', { containers }));
    await world().until('refused', (seen) => waiting(seen)?.reason === 'ErrImageNeverPull');
    await rig.containerd.crictl(['pull', image]);
    await cluster.apply(pod('never', { containers }));
    await world().ready('pod', 'never');
    assert.equal(await world().exec('never', ['echo', 'runs']), 'runs');
  });

  it('imagePullPolicy Always: a container starts again while the cache is offline', async (t) => {
    const { rig, cluster, redis: path } = world();
    await cluster.apply(pod('always', { containers: [redis(path, { imagePullPolicy: 'Always' })] }));
    await world().ready('pod', 'always');
    const requests = (await rig.cache.requests()).length;
    await rig.cache.setFaults([{ match: '/', cut: true }]);
    try {
      const shutdown = ['exec', 'always', '--', 'redis-cli', 'SHUTDOWN', 'NOSAVE'];
      await cluster.kubectl(shutdown, { reject: false });
      await world().until('always', ({ status }) => {
        const [container] = status.containerStatuses ?? [];
        return container?.restartCount === 1 && container.ready;
      });
      assert.equal(await world().exec('always', ['redis-cli', 'PING']), 'PONG');
    } finally {
      await rig.cache.setFaults([]);
    }
    assert.equal((await rig.cache.requests()).length, requests, 'the cache was asked');
    const pulled = await world().events('always', 'Pulled');
    assert.equal(pulled.length, 2, pulled.join('\n'));
    for (const message of pulled) {
      assert.match(message, /Successfully pulled image/);
      t.diagnostic(message);
    }
  });
}
