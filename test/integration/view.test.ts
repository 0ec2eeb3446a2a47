import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { busyboxArchive } from '../fixtures/images.ts';
import { inside } from '../sandbox/layout.ts';
import { runContainer } from './support/container.ts';
import { GREETING, assertShown, forget, greeterClosure, ownImage } from './support/greeter.ts';
import { inFull, matrix, viewMatrix } from './support/matrix.ts';
import { OciLayout } from './support/oci-layout.ts';
import { Rig } from './support/rig.ts';

const NAME = 'localhost/greeter:1';
/** Where the node's other store has its files; they know themselves by paths below `/nix/store` all the same. */
const ELSEWHERE = '/srv/other';

for (const row of await viewMatrix()) {
  describe(`a store elsewhere, on containerd ${row.title}`, { skip: row.skip }, () => {
    it('on another file system is at /nix/store in containers', async () => {
      await using rig = await Rig.up({
        row,
        config: `[nix]\nstore = "local?root=${ELSEWHERE}"\n`,
        prepare: async (node) =>
          void (await node.sh(`mkdir -p ${ELSEWHERE}; mount -t tmpfs -o mode=755 other ${ELSEWHERE}`)),
      });
      const made = await greeterClosure(rig);
      const archive = await ownImage(rig, made, NAME);
      await forget(rig, made);
      await rig.nix2container(['load', archive]);
      const run = async () => (await runContainer(rig, { image: NAME, id: 'test' })).stdout;
      assert.equal(await run(), GREETING);
      await assertShown(rig, made, NAME);
      const { stdout } = await rig.node.exec(['ls', `${ELSEWHERE}/nix/store`]);
      for (const path of made.closure) assert.ok(stdout.includes(path.slice('/nix/store/'.length)), path);
      const here = (await rig.node.exec(['ls', '/nix/store'])).stdout;
      for (const path of made.closure) assert.ok(!here.includes(path.slice('/nix/store/'.length)), path);
      await rig.node.exec(['nix-store', '--store', `local?root=${ELSEWHERE}`, '--gc']);
      assert.equal(await run(), GREETING);
    });
  });
}

for (const row of await matrix(['2.3', ...inFull('1.7')])) {
  describe(`the view by default, on containerd ${row.title}`, { skip: row.skip }, () => {
    /** Loads an image, runs it, and says how many mounts a container of it has at `/nix/store`. */
    const mountsOf = async (rig: Rig) => {
      const made = await greeterClosure(rig);
      await rig.nix2container(['load', await ownImage(rig, made, NAME)]);
      assert.equal((await runContainer(rig, { image: NAME, id: 'test' })).stdout, GREETING);
      await assertShown(rig, made, NAME);
      const table = [`${made.busybox}/bin/cat`, '/proc/mounts'];
      const { stdout } = await runContainer(rig, { image: NAME, id: 'test' }, table);
      return stdout.split('\n').filter((line) => line.includes(' /nix/store')).length;
    };
    const status = async ({ node }: Rig) => {
      const program = ['node', `${inside.project}/dist/nix-snapshotter.mjs`, 'status'];
      return (await node.exec(program)).stdout;
    };

    it('is overlay', async () => {
      await using rig = await Rig.up({ row });
      assert.equal(await mountsOf(rig), 0);
      assert.match(await status(rig), /^view +overlay \(default\)/m);
    });

    it('is binds for a daemon in a user namespace, which says why', async () => {
      await using rig = await Rig.up({ row, daemonWrapper: ['unshare', '--user', '--map-root-user'] });
      assert.ok((await mountsOf(rig)) > 0);
      assert.match(
        await status(rig),
        /^view +binds \(no overlay view: the daemon runs in a user namespace, /m,
      );
      const told = (await rig.snapshotter.logs()).match(/closures are shown by binds/g);
      assert.equal(told?.length, 1);
    });

    it('is binds for a store on an overlay, which the kernel stacks no further', async () => {
      const layers = `mkdir -p ${ELSEWHERE} /tmp/upper /tmp/work /tmp/lower`;
      const options = 'lowerdir=/tmp/lower,upperdir=/tmp/upper,workdir=/tmp/work';
      await using rig = await Rig.up({
        row,
        config: `[nix]\nstore = "local?root=${ELSEWHERE}"\n`,
        prepare: async (node) =>
          void (await node.sh(`${layers}; mount -t overlay -o ${options} other ${ELSEWHERE}`)),
      });
      assert.ok((await mountsOf(rig)) > 0);
      assert.match(await status(rig), /^view +binds \(no overlay view: /m);
    });

    it('is overlay for as many layers as images may have, binds for more than the kernel takes then', async () => {
      await using rig = await Rig.up({ row });
      const made = await greeterClosure(rig);
      const busybox = await busyboxArchive(rig.node);
      const layout = '/tmp/images/layers';
      const archive = await ownImage(rig, made, NAME, ['--from-image', busybox]);
      await rig.node.sh(`mkdir ${layout}; tar -xf ${archive} -C ${layout}`);
      const image = new OciLayout({ dir: rig.node.hostPath(layout) });
      const nixImage = (await image.manifest()).layers.length;
      /** Puts ordinary layers on top until there are so many, and says what a container sees. */
      const runWith = async (layers: number) => {
        for (let n = (await image.manifest()).layers.length; n < layers; n += 1) {
          await image.appendLayer([{ path: 'layers', type: 'directory' }, { path: `layers/${n}` }]);
        }
        await rig.nix2container(['load', layout]);
        const text = 'greet layers; ls /layers | wc -l; grep -c " /nix/store" /proc/mounts || true';
        const { stdout } = await runContainer(rig, { image: NAME, id: 'test' }, ['sh', '-c', text]);
        const [greeting, seen, mounts] = stdout.split('\n');
        assert.deepEqual([greeting, seen], ['Hello from the Nix store, layers!', String(layers - nixImage)]);
        return Number(mounts);
      };
      assert.equal(await runWith(127), 0);
      assert.ok((await runWith(200)) > 0);
      const told = /^view +overlay \(default; it failed before: a chain of 200 layers does not fit /m;
      assert.match(await status(rig), told);
    });
  });
}
