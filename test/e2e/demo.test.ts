import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { assertInOrder, idIn, startDemo } from '../integration/support/demo.ts';
import { matrix } from '../integration/support/matrix.ts';
import { tracesOf } from '../integration/support/traces.ts';

const [row] = await matrix(['2.3'], ['etcd', 'kubernetes']);

describe('demo of a Deployment', { skip: row?.skip ?? false }, () => {
  it('shows redis from a store path, step by step, and leaves nothing', async () => {
    const { code, stdout, stderr } = await startDemo(['--kubernetes']).ended;
    assert.equal(stderr, '');
    assert.equal(code, 0);
    assertInOrder(stdout, [
      '1. A node of its own',
      '$ kubectl get nodes',
      /│ node1 +Ready .* v1\.36\.3/,
      '$ ls /nix/store',
      '│ (empty)',
      /│ +image: nix:0\/nix\/store\/.*-redis-/,
      '$ kubectl apply -f /root/redis.yaml',
      '│ deployment.apps/redis created',
      /│ redis-\S+ +Running +10\.88\.77\.\d+/,
      '$ kubectl exec deployment/redis -- redis-cli PING',
      '│ PONG',
      /\$ redis-cli -h 10\.88\.77\.\d+ PING/,
      '│ PONG',
      /│ Successfully pulled image "nix:0\/nix\/store/,
      'one fetch: Nix got 13 store paths',
      /│ inode (\d+), .*\n.*process \d+: inode \1,.*\n.*process \d+: inode \1,/,
      'Done, and nothing is left behind',
    ]);
    const wide = stdout.split('\n').filter((line) => line.length > 100);
    assert.deepEqual(wide, []);
    assert.deepEqual(tracesOf(idIn(stdout)), []);
  });

  it('takes the cluster down when it is interrupted', async () => {
    const demo = startDemo(['--kubernetes', '--keep']);
    const id = idIn(await demo.until('deployment.apps/redis created'));
    demo.process.kill('SIGINT');
    assert.equal((await demo.ended).code, 130);
    assert.deepEqual(tracesOf(id), []);
  });
});
