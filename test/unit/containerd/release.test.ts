import { deepEqual, equal } from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { statSync } from 'node:fs';
import { copyFile, mkdtemp, realpath, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { RELEASES } from '../../../docs/generate/features.ts';
import { PITFALLS, pitfallsOf } from '../../../src/containerd/pitfalls.ts';
import { configIn, containerdProcess } from '../../../src/containerd/process.ts';
import { traitsOf } from '../../../src/containerd/release.ts';

const ids = (release: string) => pitfallsOf(release).map(({ id }) => id);

describe('releases of containerd', () => {
  it('those of the compatibility page are tested, others are not', () => {
    for (const release of RELEASES) equal(traitsOf(`${release}.1`).support, 'tested', release);
    deepEqual(
      ['2.0.1', '2.10.0', '3.0.0', 'main'].map((release) => traitsOf(release).support),
      ['untested', 'untested', 'untested', 'untested'],
    );
    equal(traitsOf('1.6.20').support, 'old');
  });

  it('a release is told by its numbers, and what has none is the newest', () => {
    equal(traitsOf('v2.3.7').line, '2.3');
    equal(traitsOf('2.4.0-beta.0').line, '2.4');
    deepEqual({ ...traitsOf('main'), line: '' }, { ...traitsOf('2.99.0'), line: '' });
    equal(traitsOf('2.10.0').newestConfig, 4);
  });

  it('each has its pitfalls', () => {
    deepEqual(ids('1.7.24'), ['whole-plugins', 'no-remap-ids']);
    equal(ids('2.2.9').includes('forgets-cri'), true);
    equal(ids('2.3.7').includes('forgets-cri'), false);
    deepEqual(ids('2.10.0'), ids('main'));
    deepEqual(PITFALLS.map(({ id }) => id).length, new Set(PITFALLS.map(({ id }) => id)).size);
  });

  it('the program is the one that runs, by the name that it was started by', async (context) => {
    const directory = await realpath(await mkdtemp(join(tmpdir(), 'containerd-')));
    context.after(() => rm(directory, { recursive: true }));
    await copyFile('/bin/sleep', join(directory, 'k3s'));
    await symlink('k3s', join(directory, 'containerd'));
    const pidNamespace = statSync('/proc/self/ns/pid', { bigint: true }).ino;
    const programOf = async (argv0: string) => {
      const child = spawn(join(directory, 'k3s'), ['60'], { argv0, stdio: 'ignore' });
      await once(child, 'spawn');
      const found = containerdProcess({ pid: child.pid ?? 0, pidNamespace });
      child.kill();
      return found?.program;
    };
    equal(await programOf('containerd'), join(directory, 'containerd'));
    equal(await programOf('/elsewhere/k3s'), join(directory, 'k3s'));
    equal(await programOf('other'), join(directory, 'k3s'));
  });

  it('the configuration file is found among arguments', () => {
    deepEqual(
      [
        ['containerd'],
        ['containerd', '--config', '/a'],
        ['containerd', '-c=/b'],
        ['containerd', '--config=/c'],
      ].map(configIn),
      [undefined, '/a', '/b', '/c'],
    );
  });
});
