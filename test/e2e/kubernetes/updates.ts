import assert from 'node:assert/strict';
import { it } from 'node:test';
import { closureOf } from '../../fixtures/packages.ts';
import { eventually } from '../../integration/support/rig.ts';
import { deployment, redis } from './objects.ts';
import type { World } from './world.ts';

/** Rolling updates. */
export function updates(world: () => World): void {
  it('a rolling update to another closure: the old pods go, and what only they needed is collected', async () => {
    const { rig, cluster, redis: path, greeter, busybox } = world();
    const ready = { exec: { command: [`${busybox}/bin/true`] }, periodSeconds: 1 };
    const old = {
      name: 'redis',
      image: `nix:0${greeter}`,
      command: [`${busybox}/bin/sleep`, '100000'],
      readinessProbe: ready,
    };
    await cluster.apply(deployment('rolling', { containers: [old] }, 2));
    await world().ready('deployment', 'rolling');
    const before = (await world().pods('rolling')).map(({ metadata }) => metadata.uid);
    assert.equal(before.length, 2);
    const oldClosure = await closureOf(rig.node, [greeter]);

    await cluster.apply(deployment('rolling', { containers: [redis(path)] }, 2));
    await cluster.kubectl(['rollout', 'status', 'deployment/rolling', '--timeout=90s']);
    await eventually(async () => {
      const after = (await world().pods('rolling')).map(({ metadata }) => metadata.uid);
      assert.equal(after.length, 2);
      assert.deepEqual(
        after.filter((uid) => before.includes(uid)),
        [],
      );
    });

    const newClosure = await closureOf(rig.node, [path]);
    const valid = async (paths: readonly string[]) => {
      await rig.node.exec(['nix-store', '--gc']);
      const check = ['nix-store', '--check-validity', '--print-invalid', ...paths];
      const invalid = (await rig.node.exec(check)).stdout.split('\n');
      return paths.filter((one) => !invalid.includes(one));
    };
    assert.deepEqual(await valid(oldClosure), oldClosure, 'collected while the node has the image');
    await world().collect();
    await eventually(async () => assert.deepEqual(await valid(oldClosure), []));
    assert.deepEqual(await valid(newClosure), newClosure);
    assert.equal(await world().exec('deployment/rolling', ['redis-cli', 'PING']), 'PONG');
  });
}
