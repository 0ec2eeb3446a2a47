import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { type TestContext, describe, it } from 'node:test';
import { errnoOf } from '../../src/errors.ts';
import { sandboxUnavailable } from '../sandbox/available.ts';
import { hierarchies, planCgroups } from '../sandbox/cgroups.ts';
import { skipWithout } from '../sandbox/components.ts';
import { projectRoot, runDir } from '../sandbox/layout.ts';
import { Sandbox } from '../sandbox/sandbox.ts';

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const unavailable = sandboxUnavailable();

describe('demo', { skip: unavailable ?? false }, () => {
  it('runs redis from the store, step by step, and leaves nothing', async (t) => {
    if (await skipped(t)) return;
    const { code, stdout, stderr } = await start().ended;
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
    const { code, stdout } = await start(['--keep']).ended;
    const id = idIn(stdout);
    await using node = await Sandbox.open(id);
    assert.equal(code, 0);
    assert.deepEqual(
      tracesOf(id).map((trace) => trace.split(' ')[0]),
      ['files', 'cgroup', 'process', 'mount'],
    );
    assert.match((await node.exec(['nix-snapshotter', 'status'])).stdout, /GC roots 2/);
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
    const demo = start();
    const id = idIn(await demo.until('2. Two programs'));
    await (await Sandbox.open(id)).sh('kill -9 $(pidof containerd)');
    const { code, stderr } = await demo.ended;
    assert.equal(code, 1);
    assert.match(stderr, /^\nStep "\d\. .+" failed: .+containerd\.sock/s);
    assert.deepEqual(tracesOf(id), []);
  });

  it('takes the node down when it is interrupted', async (t) => {
    if (await skipped(t)) return;
    const demo = start(['--keep']);
    const id = idIn(await demo.until('2. Two programs'));
    demo.process.kill('SIGTERM');
    const { code, stdout } = await demo.ended;
    assert.equal(code, 143);
    assert.match(stdout, /Interrupted, and taken down/);
    assert.deepEqual(tracesOf(id), []);
  });

  it('takes the node down when nobody reads its output any more', async (t) => {
    if (await skipped(t)) return;
    const demo = start(['--keep']);
    const id = idIn(await demo.until('2. Two programs'));
    demo.hangUp();
    assert.equal((await demo.ended).code, 141);
    assert.deepEqual(tracesOf(id), []);
  });

  it('says in one line that it cannot run without the right to mount', async () => {
    const flags = ['--bounding-set=-sys_admin', '--inh-caps=-sys_admin', process.execPath];
    const { code, stdout, stderr } = await start([], ['setpriv', ...flags]).ended;
    assert.equal(stderr, 'The demo cannot run here: sandboxes need CAP_SYS_ADMIN.\n');
    assert.equal(stdout, '');
    assert.equal(code, 1);
  });

  it('refuses an option that it does not know', async () => {
    const { code, stderr } = await start(['--kepe']).ended;
    assert.match(stderr, /^Unknown option '--kepe'.*npm run demo \[-- --keep\]\n$/);
    assert.equal(code, 2);
  });
});

async function skipped(t: TestContext): Promise<boolean> {
  const reason = await skipWithout('debian-trixie');
  if (reason !== false) t.skip(reason);
  return reason !== false;
}

/** Starts the demo as `npm run demo` does. */
function start(
  args: readonly string[] = [],
  program: readonly [string, ...string[]] = [process.execPath],
): { process: ChildProcess; ended: Promise<Ended>; hangUp(): void; until(shown: string): Promise<string> } {
  const { CI: _, ...env } = process.env;
  const [file, ...flags] = program;
  const child = spawn(file, [...flags, 'examples/demo/demo.ts', ...args], {
    cwd: projectRoot,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = once(child, 'exit');
  const errors = text(child.stderr);
  let seen = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (seen += chunk));
  const closed = once(child, 'close');
  return {
    process: child,
    ended: closed.then(async () => ({ code: child.exitCode, stdout: seen, stderr: await errors })),
    hangUp: () => child.stdout.destroy(),
    async until(shown) {
      while (!seen.includes(shown)) {
        assert.equal(child.exitCode, null, `the demo ended before "${shown}": ${seen}`);
        await Promise.race([once(child.stdout, 'data'), exited]);
      }
      return seen;
    },
  };
}

function idIn(stdout: string): string {
  const id = /Node (demo-\w+):/.exec(stdout)?.[1];
  assert.ok(id, stdout);
  return id;
}

function assertInOrder(output: string, expected: readonly (string | RegExp)[]): void {
  let rest = output;
  for (const wanted of expected) {
    const at = typeof wanted === 'string' ? rest.indexOf(wanted) : rest.search(wanted);
    assert.notEqual(at, -1, `${String(wanted)} is not in:\n${rest}`);
    rest = rest.slice(at + 1);
  }
}

/** What there is of a sandbox on this machine: files, cgroups, processes that have not ended, mounts. */
function tracesOf(id: string): readonly string[] {
  const cgroups = planCgroups(hierarchies(), id).map(({ dir }) => dir);
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  const processes = pids.filter((pid) => isRunning(pid) && readProc(pid, 'cgroup').includes(`-${id}`));
  const mounted = pids.filter((pid) => readProc(pid, 'mountinfo').includes(`/run/${id}/`));
  return [
    ...(existsSync(`${runDir}/${id}`) ? ['files'] : []),
    ...(cgroups.some((dir) => existsSync(dir)) ? ['cgroup'] : []),
    ...(processes.length > 0 ? [`process ${processes.join(' ')}`] : []),
    ...(mounted.length > 0 ? [`mount of process ${mounted.join(' ')}`] : []),
  ];
}

/** It has memory. One that has ended has none, and goes once its parent has asked how it ended. */
function isRunning(pid: string): boolean {
  return /^VmSize:/m.test(readProc(pid, 'status'));
}

function readProc(pid: string, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch (error) {
    // It has ended since the listing, or is a zombie.
    assert.ok(['ENOENT', 'ESRCH', 'EINVAL'].includes(errnoOf(error) ?? ''), String(error));
    return '';
  }
}
