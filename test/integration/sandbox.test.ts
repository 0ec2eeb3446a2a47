import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { describe, it } from 'node:test';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { errnoOf } from '../../src/errors.ts';
import { BUSYBOX_IMAGE, busyboxArchive, pauseArchive } from '../fixtures/images.ts';
import { sandboxUnavailable } from '../sandbox/available.ts';
import { type Component, skipWithout } from '../sandbox/components.ts';
import { type ContainerdVersion, startContainerd } from '../sandbox/containerd.ts';
import type { Suite } from '../sandbox/debian-base.ts';
import { runDir } from '../sandbox/layout.ts';
import { isAlive } from '../sandbox/process-identity.ts';
import { Sandbox } from '../sandbox/sandbox.ts';
import { type SandboxState, readStates } from '../sandbox/state.ts';
import { printed } from './support/printed.ts';

interface Row {
  readonly suite: Suite;
  readonly version: ContainerdVersion;
  readonly needs: readonly Component[];
}

const MATRIX: readonly Row[] = [
  { suite: 'trixie', version: 'debian', needs: ['debian-trixie'] },
  { suite: 'sid', version: 'debian', needs: ['debian-sid'] },
  { suite: 'trixie', version: '2.3', needs: ['debian-trixie', 'containerd-2.3'] },
  { suite: 'trixie', version: '2.4', needs: ['debian-trixie', 'containerd-2.4'] },
];

const unavailable = sandboxUnavailable();

describe('sandbox', { skip: unavailable ?? false }, () => {
  for (const { suite, version, needs } of unavailable === undefined ? MATRIX : []) {
    it(`runs a container with ${version} containerd on ${suite}`, async (t) => {
      for (const component of needs) {
        const skip = await skipWithout(component);
        if (skip !== false) return t.skip(skip);
      }
      await using node = await Sandbox.up({ suite });
      const containerd = await startContainerd(node, { version });
      t.diagnostic(`containerd ${containerd.version}`);
      if (version !== 'debian') assert.ok(containerd.version.startsWith(`${version}.`), containerd.version);
      await containerd.ctr(['image', 'import', await busyboxArchive(node)]);
      const run = ['run', '--rm', BUSYBOX_IMAGE, 'first', 'sh', '-c'];
      const { stdout } = await containerd.ctr([...run, 'id -un; ls /']);
      assert.match(stdout, /^root\n/);
      assert.deepEqual(
        stdout
          .split('\n')
          .slice(1)
          .filter((name) => ['bin', 'etc', 'proc'].includes(name)),
        ['bin', 'etc', 'proc'],
      );

      await containerd.restart();
      assert.equal((await containerd.ctr([...run, 'exit 7'], { reject: false })).exitCode, 7);
    });

    it(`runs a loaded image by nerdctl and a pod by crictl with ${version} containerd on ${suite}`, async (t) => {
      for (const component of [...needs, 'nerdctl', 'crictl'] as const) {
        const skip = await skipWithout(component);
        if (skip !== false) return t.skip(skip);
      }
      await using node = await Sandbox.up({ suite });
      const containerd = await startContainerd(node, { version, cri: true });
      await containerd.nerdctl(['load', '--input', await busyboxArchive(node)]);
      const run = ['run', '--rm', BUSYBOX_IMAGE, 'echo', 'by nerdctl'];
      assert.equal(await printed(async () => await containerd.nerdctl(run)), 'by nerdctl');

      await containerd.ctr(['-n', 'k8s.io', 'image', 'import', await pauseArchive(node)]);
      await containerd.ctr(['-n', 'k8s.io', 'image', 'import', await busyboxArchive(node)]);
      await node.writeFile(
        '/tmp/pod.json',
        JSON.stringify({ metadata: { name: 'p', uid: 'u', namespace: 'n' } }),
      );
      await node.writeFile(
        '/tmp/container.json',
        JSON.stringify({
          metadata: { name: 'c' },
          image: { image: BUSYBOX_IMAGE },
          command: ['sh', '-c', 'while :; do sleep 1; done'],
        }),
      );
      const id = (await containerd.crictl(['run', '--no-pull', '/tmp/container.json', '/tmp/pod.json']))
        .stdout;
      const { stdout: said } = await containerd.crictl([
        'exec',
        id,
        'ip',
        '-o',
        '-4',
        'addr',
        'show',
        'eth0',
      ]);
      assert.match(said, /inet 10\.88\.77\./);
    });
  }

  it('keeps two sandboxes apart, and takes one down without a trace', async () => {
    await using other = await Sandbox.up({ suite: 'trixie' });
    const node = await Sandbox.up({ suite: 'trixie' });
    const state = await stateOf(node.id);
    for (const each of [node, other]) {
      const containerd = await startContainerd(each, { version: 'debian' });
      await containerd.ctr(['image', 'import', await busyboxArchive(each)]);
      await containerd.ctr(['run', '--detach', BUSYBOX_IMAGE, 'same-name', 'sleep', '1000']);
      await each.writeFile('/tmp/who', each.id);
    }
    assert.equal(await node.readFile('/tmp/who'), node.id);
    assert.equal(await other.readFile('/tmp/who'), other.id);
    assert.equal((await node.exec(['hostname'])).stdout, node.id);

    await node.down();
    assertNoTrace(state);
    assert.equal(existsSync(`${runDir}/${node.id}`), false);
    assert.match((await other.exec(['ctr', 'task', 'ls'])).stdout, /same-name\s+\d+\s+RUNNING/);
  });

  it('leaves no process, mount or cgroup when its runner is killed; the next one removes its files', async () => {
    const script = fileURLToPath(new URL('sandbox-runner.ts', import.meta.url));
    const runner = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'pipe'] });
    const exited = once(runner, 'exit');
    const complaints = text(runner.stderr);
    const line = await firstLine(runner.stdout);
    const state = await stateOf(line ?? assert.fail(`the runner ended: ${await complaints}`));
    assert.equal(
      state.cgroups.every(({ dir }) => existsSync(dir)),
      true,
    );
    assert.equal(existsSync(`${runDir}/${state.id}/data`), true);

    runner.kill('SIGKILL');
    await exited;
    assert.ok(state.supervisor);
    while (isAlive(state.supervisor)) await sleep(10);
    assertNoTrace(state);

    await using next = await Sandbox.up({ suite: 'trixie' });
    assert.equal(existsSync(`${runDir}/${state.id}`), false);
    assert.equal(existsSync(`${runDir}/${next.id}`), true);
  });

  it('stops and kills what it started, keeping its output', async () => {
    await using node = await Sandbox.up({ suite: 'trixie' });
    const polite = node.spawn('polite', [
      'sh',
      '-c',
      'trap "echo bye; exit 3" TERM; echo ready; while :; do sleep 0.05; done',
    ]);
    while (!(await polite.logs()).includes('ready')) await sleep(10);
    assert.deepEqual(await polite.stop(), { code: 3, signal: null });
    assert.equal(await polite.logs(), 'ready\nbye\n');
    assert.equal(await node.readFile('/var/log/polite.log'), 'ready\nbye\n');

    const stubborn = node.spawn('stubborn', ['sleep', '1000']);
    assert.deepEqual(await stubborn.kill9(), { code: null, signal: 'SIGKILL' });
    assert.doesNotMatch((await node.sh('cat /proc/[0-9]*/cmdline | tr "\\0" " "')).stdout, /sleep 1000/);
  });

  it('says which command failed inside, with its last words', async () => {
    await using node = await Sandbox.up({ suite: 'trixie' });
    await assert.rejects(node.sh('echo out; echo err >&2; exit 9'), (error: Error) => {
      assert.match(error.message, /exit 9.* in sandbox trixie-\w+ failed \(exit code 9\): out\nerr/s);
      return true;
    });
    const { exitCode } = await node.exec(['false'], { reject: false });
    assert.equal(exitCode, 1);
    await assert.rejects(node.exec(['sleep', '1000'], { timeout: 200 }), { code: 'DeadlineExceeded' });
    assert.doesNotMatch((await node.sh('cat /proc/[0-9]*/cmdline | tr "\\0" " "')).stdout, /sleep 1000/);
  });
});

async function firstLine(stream: Readable): Promise<string | undefined> {
  for await (const line of createInterface(stream)) return line;
  return undefined;
}

async function stateOf(id: string): Promise<SandboxState> {
  const state = (await readStates()).get(id);
  assert.ok(state, `sandbox ${id} has no state`);
  return state;
}

/** No cgroup (so no process that it held), no PID 1, no mount of it in any process's mount table. */
function assertNoTrace(state: SandboxState): void {
  for (const { dir } of state.cgroups) assert.equal(existsSync(dir), false, dir);
  assert.ok(state.init);
  assert.equal(isAlive(state.init), false);
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    assert.doesNotMatch(readMounts(pid), new RegExp(`/run/${state.id}/`), `mounts of process ${pid}`);
  }
}

function readMounts(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/mountinfo`, 'utf8');
  } catch (error) {
    // It has ended since the listing, or is a zombie: it holds no mount table.
    assert.ok(['ENOENT', 'ESRCH', 'EINVAL'].includes(errnoOf(error) ?? ''), String(error));
    return '';
  }
}
