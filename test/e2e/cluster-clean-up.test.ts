import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { matrix } from '../integration/support/matrix.ts';
import { eventually } from '../integration/support/rig.ts';
import { tracesOf } from '../integration/support/traces.ts';
import { KUBELET_SETTINGS } from '../sandbox/kubernetes/host-settings.ts';
import { Sandbox } from '../sandbox/sandbox.ts';

const [row] = await matrix(['2.3'], ['crictl', 'etcd', 'kubernetes']);

describe('a cluster', { skip: row?.skip ?? false }, () => {
  it('changes no setting of this machine, and is gone when its runner is killed', async () => {
    const before = settings();
    const script = fileURLToPath(new URL('kubernetes/cluster-runner.ts', import.meta.url));
    const runner = spawn(process.execPath, [script], { stdio: ['pipe', 'pipe', 'inherit'] });
    const exited = once(runner, 'exit');
    let id: string | undefined;
    for await (const line of createInterface(runner.stdout)) {
      id = /^up (\S+)$/.exec(line)?.[1];
      break;
    }
    assert.ok(id, 'the cluster did not come up');
    const node = await Sandbox.open(id);
    // What a kubelet wants, in the node alone.
    assert.equal((await node.readFile('/proc/sys/vm/overcommit_memory')).trim(), '1');
    assert.equal((await node.readFile('/proc/sys/kernel/panic')).trim(), '10');
    assert.deepEqual(settings(), before);
    const kinds = () => tracesOf(id).map((trace) => trace.split(' ')[0]);
    assert.deepEqual(kinds(), ['files', 'cgroup', 'process', 'mount']);

    runner.kill('SIGKILL');
    await exited;
    // The next sandbox removes its files.
    await eventually(async () => assert.deepEqual(kinds(), ['files']));
    assert.deepEqual(settings(), before);
  });
});

function settings(): Readonly<Record<string, string>> {
  return Object.fromEntries(
    KUBELET_SETTINGS.map((name) => [name, readFileSync(`/proc/sys/${name}`, 'utf8').trim()]),
  );
}
