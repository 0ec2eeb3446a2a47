import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { buildPackages } from '../fixtures/packages.ts';
import { type GreeterClosure, forget, GREETING, greeterClosure, ownImage } from './support/greeter.ts';
import { matrix } from './support/matrix.ts';
import { Rig } from './support/rig.ts';

const NAME = 'localhost/greeter:1';
/** Where the node's other store has its files; they know themselves by paths below `/nix/store` all the same. */
const ELSEWHERE = '/srv/other';

for (const row of await matrix(['1.7', '2.3'])) {
  describe(`the store in containers, on containerd ${row.title}`, { skip: row.skip }, () => {
    it('is whole and one mount with view = "store"', async () => {
      await using rig = await Rig.up({ row, config: 'view = "store"\n' });
      const made = await greeterClosure(rig);
      await rig.nix2container(['load', await ownImage(rig, made, NAME)]);
      const { redis } = await buildPackages(rig.node, ['redis']);
      assert.equal(await run(rig), GREETING);
      assert.match(await run(rig, `${redis}/bin/redis-cli`, '--version'), /^redis-cli \d/);
      assert.deepEqual(await storeMounts(rig, made), [['/nix/store', 'ro']]);
      const refused = await touch(rig, made, '/nix/store/of-the-container');
      assert.match(refused, /Read-only file system/);
    });

    it('has the closure only, each path a mount of its own, with view = "binds"', async () => {
      await using rig = await Rig.up({ row, config: 'view = "binds"\n' });
      const made = await greeterClosure(rig);
      await rig.nix2container(['load', await ownImage(rig, made, NAME)]);
      assert.equal(await run(rig), GREETING);
      const shown = (await run(rig, `${made.busybox}/bin/ls`, '-A', '/nix/store')).split('\n');
      assert.deepEqual(
        shown.map((name) => `/nix/store/${name}`),
        made.closure,
      );
      // A link is shown by itself: a bind would show what it leads to.
      const noLinks = ['-maxdepth', '0', '!', '-type', 'l'];
      const { stdout } = await rig.node.exec(['find', ...made.closure, ...noLinks]);
      assert.deepEqual(
        await storeMounts(rig, made),
        stdout.split('\n').map((path) => [path, 'ro']),
      );
    });

    it('is at /nix/store when the node has it elsewhere', async () => {
      const config = `[nix]\nstore = "local?root=${ELSEWHERE}"\n`;
      await using rig = await Rig.up({ row, config });
      const made = await greeterClosure(rig);
      const archive = await ownImage(rig, made, NAME);
      await forget(rig, made);
      await rig.nix2container(['load', archive]);
      assert.equal(await run(rig), GREETING);
      const { stdout } = await rig.node.exec(['ls', `${ELSEWHERE}/nix/store`]);
      for (const path of made.closure) assert.ok(stdout.includes(path.slice('/nix/store/'.length)), path);
      const here = (await rig.node.exec(['ls', '/nix/store'])).stdout;
      for (const path of made.closure) assert.ok(!here.includes(path.slice('/nix/store/'.length)), path);
      const other = ['--store', `local?root=${ELSEWHERE}`];
      await rig.node.exec(['nix-store', ...other, '--gc']);
      assert.equal(await run(rig), GREETING);
    });
  });
}

async function run(rig: Rig, ...command: readonly string[]): Promise<string> {
  return (await rig.containerd.ctr(['run', '--rm', '--snapshotter', 'nix', NAME, 'test', ...command])).stdout;
}

async function touch(rig: Rig, { busybox }: GreeterClosure, path: string): Promise<string> {
  const args = ['run', '--rm', '--snapshotter', 'nix', NAME, 'test', `${busybox}/bin/touch`, path];
  return (await rig.containerd.ctr(args, { reject: false })).stderr;
}

/** Mount points at and below `/nix/store` in a container, sorted, each with the first option. */
async function storeMounts(rig: Rig, { busybox }: GreeterClosure): Promise<readonly (readonly string[])[]> {
  const mounts = (await run(rig, `${busybox}/bin/cat`, '/proc/mounts')).split('\n');
  return mounts
    .map((line) => line.split(' '))
    .map(([, point = '', , options = '']) => [point, options.split(',', 1)[0] ?? ''] as const)
    .filter(([point]) => point.startsWith('/nix/store'))
    .toSorted(([one], [other]) => (one < other ? -1 : 1));
}
