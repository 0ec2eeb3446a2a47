import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type TestContext, describe, it } from 'node:test';
import { sandboxUnavailable } from '../sandbox/available.ts';
import { skipWithout } from '../sandbox/components.ts';
import { projectRoot } from '../sandbox/layout.ts';
import { Sandbox } from '../sandbox/sandbox.ts';
import { assertInOrder, idIn, startDemo } from './support/demo.ts';
import { tracesOf } from './support/traces.ts';

const unavailable = sandboxUnavailable();

describe('demo', { skip: unavailable ?? false }, () => {
  it('runs redis from the store, step by step, and leaves nothing', async (t) => {
    if (await skipped(t)) return;
    const { code, stdout, stderr } = await startDemo().ended;
    assert.equal(stderr, '');
    assert.equal(code, 0);
    assertInOrder(stdout, [
      '1. A node of its own',
      '$ nix2container build',
      /demo\.example\/redis:1 +layer 1: [\d.]+ MB +busybox/,
      /layer 2: \d+ bytes +names 13 store paths \([\d.]+ MB\)/,
      /layer 3: \d+ bytes +links to them/,
      /layer 4: \d+ bytes +one file/,
      '$ ls /nix/store',
      '│ (empty)',
      '$ nix2container load /tmp/demo/redis',
      'fetch 14 store paths from the binary',
      '│ PONG',
      '│ hello',
      /│ inode (\d+), .*\n[^│]*│ inode \1,/,
      /│ \/nix\/store\/.*\/libssl\.so/,
      '$ nix2container load /tmp/demo/visitors',
      'fetch 3 store paths from the binary',
      '│ Hello from the Nix store, Ada!',
      '│ You are visitor number 2.',
      '│ 0 store paths deleted',
      '│ 15 of 15 store paths',
      '│ 0 of 15 store paths',
      'Done, and nothing is left behind',
    ]);
    const wide = stdout.split('\n').filter((line) => line.length > 100);
    assert.deepEqual(wide, []);
    assert.deepEqual(tracesOf(idIn(stdout)), []);
  });

  it('leaves the node running with --keep; the commands that it prints work', async (t) => {
    if (await skipped(t)) return;
    const { code, stdout, stderr } = await startDemo(['--keep']).ended;
    assert.equal(code, 0, `${stdout}\n${stderr}`);
    const id = idIn(stdout);
    await using node = await Sandbox.open(id);
    assert.deepEqual(
      tracesOf(id).map((trace) => trace.split(' ')[0]),
      ['files', 'cgroup', 'process', 'mount'],
    );
    assert.match((await node.exec(['nix-snapshotter', 'status'])).stdout, /^GC roots {3}2 of snapshots/m);
    const visit = /ctr run --rm .* visit Me$/m.exec(stdout)?.[0];
    assert.ok(visit);
    assert.match((await node.exec(visit.trim().split(' '))).stdout, /Me!\nYou are visitor number 3/);

    const [, program, ...args] = /npm run (sandbox) -- (down) (\S+)/.exec(stdout) ?? [];
    assert.equal(program, 'sandbox');
    const down = spawn(process.execPath, ['test/sandbox/cli.ts', ...args], { cwd: projectRoot });
    assert.deepEqual(await once(down, 'exit'), [0, null]);
    assert.deepEqual(tracesOf(id), []);
  });

  it('says which step failed and why, and leaves nothing', async (t) => {
    if (await skipped(t)) return;
    const demo = startDemo();
    const id = idIn(await demo.until('2. Two programs'));
    await (await Sandbox.open(id)).sh('kill -9 $(pidof containerd)');
    const { code, stderr } = await demo.ended;
    assert.equal(code, 1);
    assert.match(stderr, /^\nStep "\d\. .+" failed: .+containerd\.sock/s);
    assert.deepEqual(tracesOf(id), []);
  });

  it('takes the node down when it is interrupted', async (t) => {
    if (await skipped(t)) return;
    const demo = startDemo(['--keep']);
    const id = idIn(await demo.until('2. Two programs'));
    demo.process.kill('SIGTERM');
    const { code, stdout } = await demo.ended;
    assert.equal(code, 143);
    assert.match(stdout, /Interrupted, and taken down/);
    assert.deepEqual(tracesOf(id), []);
  });

  it('takes the node down when nobody reads its output any more', async (t) => {
    if (await skipped(t)) return;
    const demo = startDemo(['--keep']);
    const id = idIn(await demo.until('2. Two programs'));
    demo.hangUp();
    assert.equal((await demo.ended).code, 141);
    assert.deepEqual(tracesOf(id), []);
  });

  it('says in one line that it cannot run without the right to mount', async () => {
    const flags = ['--bounding-set=-sys_admin', '--inh-caps=-sys_admin', process.execPath];
    const { code, stdout, stderr } = await startDemo([], ['setpriv', ...flags]).ended;
    assert.equal(stderr, 'The demo cannot run here: sandboxes need CAP_SYS_ADMIN.\n');
    assert.equal(stdout, '');
    assert.equal(code, 1);
  });

  it('refuses an option that it does not know', async () => {
    const { code, stderr } = await startDemo(['--kepe']).ended;
    assert.match(stderr, /^Unknown option '--kepe'.*npm run demo \[-- --kubernetes\] \[--keep\]\n$/);
    assert.equal(code, 2);
  });
});

async function skipped(t: TestContext): Promise<boolean> {
  const reason = await skipWithout('debian-trixie');
  if (reason !== false) t.skip(reason);
  return reason !== false;
}
