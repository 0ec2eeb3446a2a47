import assert from 'node:assert/strict';
import { it } from 'node:test';
import { ADDED } from '../../integration/support/interleaved.ts';
import { GREETING } from '../../integration/support/greeter.ts';
import { NODE_NAME, STATIC_PODS } from '../../sandbox/kubernetes/configuration.ts';
import { deployment, idle, job, pod, redis } from './objects.ts';
import type { World } from './world.ts';

/** The kinds of pods, with store paths as images. */
export function workloads(world: () => World): void {
  it('a Deployment of a store path: redis answers PING, by exec and at the address of the pod', async () => {
    const { rig, cluster, redis: path } = world();
    const absent = await rig.node.exec(['nix-store', '--check-validity', path], { reject: false });
    assert.notEqual(absent.exitCode, 0, `${path} is in the store before anything needs it`);
    await cluster.apply(deployment('redis', { containers: [redis(path)] }));
    await world().ready('deployment', 'redis');
    assert.equal(await world().exec('deployment/redis', ['redis-cli', 'PING']), 'PONG');
    const { podIP } = (await world().pod('redis')).status;
    assert.match(podIP ?? '', /^10\.88\.77\./);
    assert.equal((await rig.node.exec(['redis-cli', '-h', podIP ?? '', 'PING'])).stdout, 'PONG');
  });

  it('a Job of a store path runs its program to the end', async () => {
    const { cluster, greeter } = world();
    await cluster.apply(job('greet', { containers: [{ name: 'greet', image: `nix:0${greeter}` }] }));
    await cluster.kubectl(['wait', '--for=condition=Complete', 'job/greet', '--timeout=60s']);
    assert.equal((await cluster.kubectl(['logs', 'job/greet'])).stdout, GREETING);
  });

  it('init, sidecar and other containers of ordinary, Nix and interleaved images in one pod', async () => {
    const { cluster, greeter, busybox, interleaved, redis: path } = world();
    const shared = { volumeMounts: [{ name: 'shared', mountPath: '/shared' }] };
    const sh = (text: string) => ({ command: [`${busybox}/bin/sh`, '-c', text] });
    const ordinary = { image: await world().ordinary(), imagePullPolicy: 'Never' };
    await cluster.apply(
      pod('mixed', {
        volumes: [{ name: 'shared', emptyDir: {} }],
        initContainers: [
          { name: 'nix-first', image: `nix:0${greeter}`, ...shared, ...sh('greet init > /shared/nix') },
          { name: 'then-ordinary', ...ordinary, ...shared, command: ['cp', '/shared/nix', '/shared/both'] },
          idle('sidecar', interleaved, { ...shared, restartPolicy: 'Always' }),
        ],
        containers: [
          redis(path),
          idle('ordinary', ordinary.image, { ...ordinary, ...shared }),
          idle('interleaved', interleaved, shared),
        ],
      }),
    );
    await world().ready('pod', 'mixed');
    const exec = async (container: string, ...command: string[]) =>
      await world().exec('mixed', command, container);
    assert.equal(await exec('ordinary', 'cat', '/shared/both'), 'Hello from the Nix store, init!');
    assert.equal(await exec('redis', 'redis-cli', 'PING'), 'PONG');
    for (const container of ['sidecar', 'interleaved']) {
      assert.equal(`${await exec(container, 'cat', '/app/added')}\n`, ADDED);
      assert.equal(await exec(container, 'greet'), GREETING);
      assert.equal(await exec(container, `${path}/bin/redis-cli`, 'PING'), 'PONG');
    }
    assert.match(await exec('ordinary', 'ls', '/'), /^bin$/m);
    assert.doesNotMatch(await exec('ordinary', 'ls', '/'), /^nix$/m);
  });

  it('a static pod of the kubelet', async () => {
    const { rig, cluster, redis: path } = world();
    const file = `${STATIC_PODS}/redis.json`;
    await rig.node.writeFile(file, JSON.stringify(pod('static', { containers: [redis(path)] })));
    try {
      await world().until('static', ({ status }) => status.containerStatuses?.[0]?.ready === true);
      assert.equal(await world().exec(`static-${NODE_NAME}`, ['redis-cli', 'PING']), 'PONG');
    } finally {
      await rig.node.exec(['rm', file]);
    }
    const gone = ['wait', '--for=delete', `pod/static-${NODE_NAME}`, '--timeout=60s'];
    await cluster.kubectl(gone);
  });
}
