import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { StatusError } from '../../../src/errors.ts';
import { scoreOfChild } from '../../../src/host/oom-score.ts';
import { runNix } from '../../../src/nix/run-nix.ts';

const env = { PATH: process.env['PATH'] ?? '' };

describe('runNix', () => {
  it('ends when it is stopped, though a child of a wrapper script holds its pipes open', async () => {
    await using dir = await temporary();
    const program = join(dir.path, 'wrapper');
    // The child lives until the test lets it go, by the pipe it reads.
    const gate = createServer().listen(join(dir.path, 'gate'));
    await once(gate, 'listening');
    const child = `require("net").connect(${JSON.stringify(join(dir.path, 'gate'))}).resume()`;
    await writeFile(program, `#!/bin/sh\n'${process.execPath}' -e '${child}'\nexit 0\n`);
    await chmod(program, 0o755);
    const controller = new AbortController();
    const ended = runNix({ program, args: [], env, signal: controller.signal });
    const [socket] = await once(gate, 'connection');
    controller.abort();
    await assert.rejects(ended, (error) => error instanceof StatusError && error.code === 'Cancelled');
    socket.destroy();
    gate.close();
  });

  it('has Nix, and what it starts, end before this process when memory runs out', async () => {
    const own = Number(await readFile('/proc/self/oom_score_adj', 'utf8'));
    // What it inherits it has until the spawn has returned.
    const wait = `until [ "$(cat /proc/$$/oom_score_adj)" != ${own} ]; do sleep 0.01; done; cat /proc/self/oom_score_adj`;
    const run = {
      program: 'sh',
      args: ['-c', wait],
      env,
      maxOutput: 10,
      signal: AbortSignal.timeout(10_000),
    };
    assert.equal((await runNix(run)).stdout, `${scoreOfChild(own)}\n`);
    assert.deepEqual([-999, -1, 0, 200, 1000].map(scoreOfChild), [0, 0, 1, 201, 1000]);
  });

  it('shows no password to other users of the host, who can read its arguments', async () => {
    await using dir = await temporary();
    const program = join(dir.path, 'nix');
    await writeFile(program, '#!/bin/sh\ntr "\\0" " " </proc/$$/cmdline; echo; printf %s "$NIX_CONFIG"\n');
    await chmod(program, 0o755);
    const caches = 'https://user:secret@cache.example?a=b https://other.example';
    const args = ['store', 'ping', '--option', 'timeout', '5', '--option', 'substituters', caches];
    const run = {
      program,
      args: [...args, '--store', 'https://user:secret@cache.example', 'x'],
      maxOutput: 1000,
    };
    const { stdout } = await runNix({ ...run, env: { ...env, NIX_CONFIG: 'cores = 1' } });
    const [shown = '', ...config] = stdout.split('\n');
    assert.match(shown, / store ping --option timeout 5 x $/);
    assert.deepEqual(config, [
      'cores = 1',
      `substituters = ${caches}`,
      'store = https://user:secret@cache.example',
    ]);
    const plain = await runNix({ program, args: ['--store', 'daemon'], env, maxOutput: 1000 });
    assert.match(plain.stdout, / --store daemon \n$/);
  });

  it('names a program that is not there, and PATH', async () => {
    await assert.rejects(runNix({ program: 'no-such-nix', args: [], env: { PATH: '/nowhere' } }), {
      code: 'FailedPrecondition',
      message: /no-such-nix: not found in PATH \/nowhere; install Nix/,
    });
  });

  it('refuses more output than it was told to keep', async () => {
    await assert.rejects(runNix({ program: 'yes', args: [], env, maxOutput: 1000 }), {
      code: 'ResourceExhausted',
    });
  });

  it('hands over what a stopped program said last', async () => {
    const lines: string[] = [];
    const result = await runNix({
      program: 'sh',
      args: ['-c', 'echo one >&2; printf two >&2; kill -TERM $$'],
      env,
      onLine: (line) => lines.push(line),
    });
    assert.deepEqual(lines, ['one', 'two']);
    assert.equal(result.signal, 'SIGTERM');
  });
});

async function temporary(): Promise<AsyncDisposable & { path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'run-nix-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) };
}
