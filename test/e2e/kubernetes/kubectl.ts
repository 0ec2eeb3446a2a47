import assert from 'node:assert/strict';
import { it } from 'node:test';
import { eventually } from '../../integration/support/rig.ts';
import { idle, pod, redis } from './objects.ts';
import type { World } from './world.ts';

/** What people do with pods by kubectl. */
export function kubectl(world: () => World): void {
  it('kubectl exec, logs and cp with a container of a store path', async () => {
    const { rig, cluster, busybox } = world();
    const text = 'echo started; exec sleep 100000';
    const main = { ...idle('main', `nix:0${busybox}`), command: ['sh', '-c', text] };
    await cluster.apply(pod('tools', { containers: [main] }));
    await world().ready('pod', 'tools');
    await eventually(async () => assert.equal((await cluster.kubectl(['logs', 'tools'])).stdout, 'started'));
    const piped = await cluster.kubectl(['exec', '-i', 'tools', '--', 'tr', 'a-z', 'A-Z'], {
      input: 'words',
    });
    assert.equal(piped.stdout, 'WORDS');
    const failing = await cluster.kubectl(['exec', 'tools', '--', 'sh', '-c', 'exit 7'], { reject: false });
    assert.equal(failing.exitCode, 7);

    await rig.node.writeFile('/tmp/cp/there', 'to the container\n');
    await cluster.kubectl(['cp', '/tmp/cp/there', 'tools:/there']);
    assert.equal(await world().exec('tools', ['cat', '/there']), 'to the container');
    const program = `${busybox}/bin/busybox`;
    await cluster.kubectl(['cp', `tools:${program}`, '/tmp/cp/back']);
    await rig.node.exec(['cmp', program, '/tmp/cp/back']);
  });

  it('kubectl debug puts an ephemeral container of a store path beside a running one', async () => {
    const { cluster, redis: path, busybox } = world();
    await cluster.apply(pod('debugged', { containers: [redis(path)] }));
    await world().ready('pod', 'debugged');
    const look = 'ps; ls /proc/1/root/nix/store';
    const debug = ['--image', `nix:0${busybox}`, '--target', 'redis', '--container', 'look'];
    await cluster.kubectl(['debug', 'debugged', ...debug, '--', 'sh', '-c', look]);
    await eventually(async () => {
      const seen = (await cluster.kubectl(['logs', 'debugged', '-c', 'look'])).stdout;
      assert.match(seen, /^ +1 .*redis-server/m);
      assert.ok(seen.includes(path.slice('/nix/store/'.length)), seen);
    });
    assert.equal((await world().pod('debugged')).status.containerStatuses?.[0]?.restartCount, 0);
  });
}
