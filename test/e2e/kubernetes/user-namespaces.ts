import assert from 'node:assert/strict';
import { it } from 'node:test';
import { pod, redis } from './objects.ts';
import type { World } from './world.ts';

/** Pods with `hostUsers: false`. */
export function userNamespaces(world: () => World): void {
  it('a pod with a user namespace: store paths belong to its root, which is nobody on the node', async () => {
    const { rig, cluster, redis: path, busybox, interleaved } = world();
    const stat = { name: 'look', image: interleaved, command: ['sleep', '100000'] };
    await cluster.apply(pod('mapped', { hostUsers: false, containers: [redis(path), stat] }));
    await world().ready('pod', 'mapped');
    assert.equal(await world().exec('mapped', ['redis-cli', 'PING'], 'redis'), 'PONG');
    const owner = ['stat', '-c', '%u', `${busybox}/bin/busybox`];
    assert.equal(await world().exec('mapped', owner, 'look'), '0');
    const servers = (await rig.node.exec(['pidof', 'redis-server'])).stdout.split(' ');
    assert.equal(servers.length, 1);
    const [, user] = /^Uid:\s+(\d+)/m.exec(await rig.node.readFile(`/proc/${servers[0]}/status`)) ?? [];
    assert.ok(Number(user) >= 65_536, `redis-server runs as ${user} on the node`);
  });
}
