import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { enterCommand, findRootlessKit } from '../../../src/rootless/enter.ts';

describe('findRootlessKit', () => {
  let state: string;
  before(async () => {
    state = await mkdtemp(join(tmpdir(), 'rootlesskit-'));
  });
  after(async () => await rm(state, { recursive: true }));
  const pid = async (text: string) => await writeFile(join(state, 'child_pid'), text);

  it('reads the process id; a network of its own is one that is not ours and not detached', async () => {
    await pid(`${process.pid}\n`);
    assert.deepEqual(findRootlessKit(state), { pid: process.pid, hasNetwork: false });
    await writeFile(join(state, 'netns'), '');
    assert.deepEqual(findRootlessKit(state), { pid: process.pid, hasNetwork: false });
  });

  it('names the file and the next step where RootlessKit does not run', async () => {
    const gone = { code: 'Unavailable', message: /child_pid.*start containerd/ };
    assert.throws(() => findRootlessKit(join(state, 'absent')), gone);
    await pid('4194304999');
    assert.throws(() => findRootlessKit(state), gone);
    for (const text of ['', '1', '-5', '12a', '../self']) {
      await pid(text);
      assert.throws(() => findRootlessKit(state), { code: 'FailedPrecondition', message: /no process id/ });
    }
  });
});

describe('enterCommand', () => {
  it('enters user and mount namespace, and the network only where containerd is in it', () => {
    const flags = ['nsenter', '--no-fork', '--preserve-credentials', '--user', '--mount'];
    const target = ['--target', '7', '--', 'node', 'x'];
    assert.deepEqual(enterCommand({ pid: 7, hasNetwork: false }, ['node', 'x']), [...flags, ...target]);
    assert.deepEqual(enterCommand({ pid: 7, hasNetwork: true }, ['node', 'x']), [
      ...flags,
      '--net',
      ...target,
    ]);
  });
});
