import assert from 'node:assert/strict';
import { it } from 'node:test';
import { factsIn } from '../../integration/troubleshooting/sentence.ts';
import { idle, pod, redis } from './objects.ts';
import type { PodStatus, World } from './world.ts';

/** Name of a store path that nobody has. */
export const ABSENT = `${'0'.repeat(32)}-absent`;

/** Why the first container of a pod does not run yet. */
export function waiting({
  status,
}: PodStatus): { readonly reason: string; readonly message?: string } | undefined {
  return status.containerStatuses?.[0]?.state.waiting;
}

/** What the kubelet makes of `imagePullPolicy`, and what it says of a pull that failed. */
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

  const told = {
    'a store path that no cache has': { problem: 'absent', fault: undefined },
    'a cache that asks for a login': { problem: 'login', fault: { match: '', status: 401 } },
    'a cache that fails': { problem: 'cache-down', fault: { match: '', status: 503 } },
  } as const;
  for (const [what, { problem, fault }] of Object.entries(told)) {
    it(`${what}: the pod says which path, which cache, why, and what to do, in one sentence`, async (t) => {
      const { rig, cluster } = world();
      const name = `${'0'.repeat(32)}-${problem}`;
      const { url } = rig.cache;
      const facts = problem === 'absent' ? { answers: `${url}: HTTP 404` } : { cache: url };
      await rig.cache.setFaults(fault === undefined ? [] : [fault]);
      try {
        await cluster.apply(pod(problem, { containers: [{ name: 'main', image: `nix:0/${name}` }] }));
        const failed = await world().until(problem, (seen) => waiting(seen)?.reason === 'ErrImagePull');
        const texts = {
          'the status of the container': waiting(failed)?.message ?? '',
          'kubectl describe pod': (await cluster.kubectl(['describe', 'pod', problem])).stdout,
          'the event': (await world().events(problem, 'Failed')).join('\n'),
        };
        for (const text of Object.values(texts))
          factsIn(text, problem, { path: `/nix/store/${name}`, ...facts });
        t.diagnostic(texts['the status of the container']);
      } finally {
        await rig.cache.setFaults([]);
      }
    });
  }
}
