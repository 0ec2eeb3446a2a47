import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { BUSYBOX_IMAGE, busyboxArchive } from '../fixtures/images.ts';
import { APP_USER_ID } from './support/base-image.ts';
import { type Footprint, footprint } from './support/footprint.ts';
import { startGarbageCollector } from './support/garbage-collector.ts';
import { ADDED, type InterleavedImage, describePaths, interleavedImage } from './support/interleaved.ts';
import { runContainer } from './support/container.ts';
import { viewMatrix } from './support/matrix.ts';
import { importPause, runPod } from './support/pod.ts';
import { startRegistry } from './support/registry.ts';
import { Rig, eventually } from './support/rig.ts';

const NAME = 'localhost/interleaved:1';
const AS_APP_USER = 'localhost/interleaved:appuser';

for (const row of await viewMatrix(['nerdctl', 'crictl'])) {
  describe(`ordinary and Nix layers interleaved, on containerd ${row.title}`, { skip: row.skip }, () => {
    let rig: Rig;
    let image: InterleavedImage;
    let registry: string;
    let bare: Footprint;

    before(async () => {
      rig = await Rig.up({ row, cri: true });
      image = await interleavedImage(rig);
      registry = (await startRegistry(rig.node)).address;
      bare = await footprint(rig);
    });
    after(async () => await rig.down());

    /** Runs a shell text in a container of the image. */
    const run = async (text: string, flags: readonly string[] = [], name = NAME) => {
      return await runContainer(rig, { image: name, id: 'test', flags }, ['sh', '-c', text]);
    };

    /** What the node's store has of the closure. */
    const inStore = async () => {
      const here = new Set((await rig.node.exec(['ls', '/nix/store'])).stdout.split('\n'));
      return image.closure.filter((path) => here.has(path.slice('/nix/store/'.length)));
    };

    /** An image of this name shows both closures and the ordinary layer between them. */
    const assertWhole = async (name: string) => {
      assert.equal((await run(describePaths(image.closure), [], name)).stdout, image.description);
      assert.equal(`${(await run('cat /app/added', [], name)).stdout}\n`, ADDED);
    };

    it('is loaded, and its closure fetched, each path once', async (t) => {
      t.diagnostic(`containerd ${rig.containerd.version}`);
      assert.deepEqual(await inStore(), []);
      const { stdout } = await rig.nix2container(['load', image.layout]);
      assert.match(stdout, /^localhost\/interleaved:1: sha256:/);
      assert.deepEqual(await inStore(), image.closure);
      const downloads = await rig.downloads();
      assert.equal(downloads.length, image.closure.length + image.closureInfos.length);
      assert.equal(new Set(downloads).size, downloads.length);
    });

    it('shows the closures as they were built', async () => {
      assert.equal((await run(describePaths(image.closure))).stdout, image.description);
      assert.equal(
        (await rig.node.exec(['test', '-e', image.closureInfos[0] ?? '/'], { reject: false })).exitCode,
        0,
      );
    });

    it('runs programs of both Nix layers, and has the ordinary layer between them', async () => {
      assert.equal((await run('greet tester')).stdout, 'Hello from the Nix store, tester!');
      assert.match((await run(`${image.packages.redis}/bin/redis-cli --version`)).stdout, /^redis-cli \d/);
      assert.equal(`${(await run('cat /app/added')).stdout}\n`, ADDED);
    });

    it('finds a named user and its groups, by ctr and nerdctl', async () => {
      assert.equal((await run('id', ['--user', 'appuser'])).stdout, APP_USER_ID);
      const flags = ['run', '--rm', '--pull', 'never', '--net', 'none', '--user', 'appuser'];
      const { stdout } = await rig.containerd.nerdctl(['--snapshotter', 'nix', ...flags, NAME, 'id']);
      assert.equal(stdout, APP_USER_ID);
    });

    it('runs beside an unmodified image through the same snapshotter', async () => {
      const archive = await busyboxArchive(rig.node);
      await rig.containerd.ctr(['image', 'import', '--snapshotter', 'nix', archive]);
      assert.equal((await run('ls -d /nix 2>/dev/null; id -un', [], BUSYBOX_IMAGE)).stdout, 'root');
      const pushed = `${registry}/busybox:1`;
      await rig.nix2container(['push', archive, pushed]);
      await rig.containerd.ctr(['image', 'rm', '--sync', BUSYBOX_IMAGE]);
      await rig.containerd.ctr(['image', 'pull', '--plain-http', '--snapshotter', 'nix', pushed]);
      assert.equal((await run('echo pulled', [], pushed)).stdout, 'pulled');
      await rig.containerd.ctr(['image', 'rm', '--sync', pushed]);
    });

    it('runs as a pod whose image names its user', async () => {
      const { node } = rig;
      await importPause(rig);
      const build = ['build', '--format', 'oci-layout', '--log-level', 'error', '--from-image', image.layout];
      const layout = '/tmp/images/appuser';
      await rig.nix2container([
        ...build,
        '--out',
        layout,
        '--ref',
        AS_APP_USER,
        '--user',
        'appuser',
        image.last,
      ]);
      await rig.nix2container(['-n', 'k8s.io', 'load', layout]);
      await using pod = await runPod(rig, AS_APP_USER);
      assert.equal(await pod.exec(['id']), APP_USER_ID);
      assert.equal(await pod.exec(['greet', 'pod']), 'Hello from the Nix store, pod!');
      assert.equal(await pod.exec(['cat', image.last]), (await node.exec(['cat', image.last])).stdout);
    });

    it('leaves nothing when its images are removed, and Nix collects its paths', async () => {
      const { containerd, node } = rig;
      assert.notDeepEqual(await footprint(rig), bare);
      // CRI has made names of its own.
      const names = (await containerd.ctr(['-n', 'k8s.io', 'image', 'ls', '-q'])).stdout.split('\n');
      await containerd.ctr(['-n', 'k8s.io', 'image', 'rm', '--sync', ...names]);
      await node.exec(['nix-store', '--gc']);
      assert.deepEqual(await inStore(), image.closure);
      await containerd.ctr(['image', 'rm', '--sync', NAME]);
      await eventually(async () => assert.deepEqual(await footprint(rig), bare));
      await node.exec(['nix-store', '--gc']);
      assert.deepEqual(await inStore(), []);
    });

    it('is pulled and run while Nix collects garbage without a pause', async () => {
      const { containerd, node } = rig;
      const name = `${registry}/interleaved:1`;
      await rig.nix2container(['push', image.layout, name]);
      await using garbage = await startGarbageCollector(node);
      await containerd.nerdctl(['--snapshotter', 'nix', 'pull', '--quiet', name]);
      await garbage.nextRun();
      assert.deepEqual(await inStore(), image.closure);
      await assertWhole(name);
      await garbage.nextRun();
      await containerd.ctr(['image', 'rm', '--sync', name]);
      await garbage.nextRun();
      assert.deepEqual(await inStore(), []);

      // On containerd 1.7 this drops the annotations, and the container is the first to wait for Nix.
      await containerd.ctr(['image', 'pull', '--plain-http', '--snapshotter', 'nix', name]);
      assert.equal((await run('id', ['--user', 'appuser'], name)).stdout, APP_USER_ID);
      await garbage.nextRun();
      await assertWhole(name);
      await containerd.ctr(['image', 'rm', '--sync', name]);
      await eventually(async () => assert.deepEqual(await footprint(rig), bare));
      await garbage.nextRun();
      assert.deepEqual(await inStore(), []);
    });
  });
}
