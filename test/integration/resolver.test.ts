import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { buildPackages, deletePaths } from '../fixtures/packages.ts';
import type { ExecResult } from '../sandbox/sandbox.ts';
import { runContainer } from './support/container.ts';
import { type Footprint, footprint } from './support/footprint.ts';
import { type GreeterClosure, forget, GREETING, greeterClosure, ownImage } from './support/greeter.ts';
import { inFull, matrix } from './support/matrix.ts';
import { importPause, runPod } from './support/pod.ts';
import { HOSTS_DIR, RESOLVER_CONFIG, useResolver } from './support/resolver-hosts.ts';
import { Rig, eventually } from './support/rig.ts';
import { printed } from './support/printed.ts';

const ABSENT = `${'0'.repeat(32)}-absent`;
/** What every client shows of a path that no cache has. */
const WHY_ABSENT = [ABSENT, 'HTTP 404', 'push the path'];
const NAMESPACES = ['default', 'k8s.io'];

for (const row of await matrix(['1.7', '2.4', ...inFull('2.1', '2.3')], ['nerdctl', 'crictl'])) {
  describe(`store paths as images, on containerd ${row.title}`, { skip: row.skip }, () => {
    let rig: Rig;
    let made: GreeterClosure;
    let bare: Footprint;

    before(async () => {
      rig = await Rig.up({ row, cri: true, config: `${RESOLVER_CONFIG}[gc]\ngrace = "1s"\n` });
      await useResolver(rig);
      made = await greeterClosure(rig);
      await forget(rig, made);
      bare = await footprint(rig);
    });
    afterEach(async () => {
      for (const namespace of NAMESPACES) await removeImages(namespace);
      await eventually(async () => assert.deepEqual(await footprint(rig), bare));
    });
    after(async () => await rig.down());

    const ctrPull = async (image: string, reject = true): Promise<ExecResult> => {
      const flags = ['--hosts-dir', HOSTS_DIR, '--snapshotter', 'nix'];
      return await rig.containerd.ctr(['image', 'pull', ...flags, image], { reject });
    };
    const nerdctl = async (args: readonly string[], reject = true): Promise<ExecResult> =>
      await rig.containerd.nerdctl(['--hosts-dir', HOSTS_DIR, '--snapshotter', 'nix', ...args], { reject });
    const removeImages = async (namespace: string) => {
      const ctr = async (args: readonly string[]) => await rig.containerd.ctr(['-n', namespace, ...args]);
      const names = (await ctr(['image', 'ls', '-q'])).stdout.split('\n').filter(Boolean);
      if (names.length > 0) await ctr(['image', 'rm', '--sync', ...names]);
    };
    const digestOf = async (image: string): Promise<string | undefined> => {
      const lines = (await rig.containerd.ctr(['image', 'ls'])).stdout.split('\n');
      return lines.map((line) => line.split(/\s+/)).find(([name]) => name === image)?.[2];
    };
    const assertTold = (text: string, parts: readonly string[]) => {
      for (const part of parts) assert.ok(text.includes(part), `${part} is not in: ${text}`);
    };

    it('ctr pulls one that a cache has, and runs its program', async () => {
      const image = `nix:0${made.greeter}:latest`;
      await ctrPull(image);
      assert.equal((await runContainer(rig, { image, id: 'test' })).stdout, GREETING);
    });

    it('nerdctl runs one by a word, whatever spelling', async () => {
      const name = made.greeter.slice('/nix/store/'.length);
      const run = ['run', '--rm', '--net', 'none', '--quiet'];
      for (const image of [`nix:0${made.greeter}`, `nix:0/${name}:v1`, `nix.local/${name}`]) {
        assert.equal(await printed(async () => await nerdctl([...run, image])), GREETING, image);
      }
      const text = await printed(async () => await nerdctl([...run, `nix:0/${name}`, 'you']));
      assert.equal(text, 'Hello from the Nix store, you!');
    });

    it('a pod runs one', async () => {
      await importPause(rig);
      const image = `nix:0${made.busybox}`;
      await rig.containerd.crictl(['pull', image]);
      await using pod = await runPod(rig, image);
      assert.equal(await pod.exec(['echo', 'ready']), 'ready');
    });

    it('gives the same image for the same path, each time', async () => {
      const image = `nix:0${made.greeter}:latest`;
      await ctrPull(image);
      const first = await digestOf(image);
      await removeImages('default');
      await rig.restartSnapshotter();
      await ctrPull(image);
      assert.match(first ?? '', /^sha256:/);
      assert.equal(await digestOf(image), first);
      const pinned = `nix:0${made.greeter}@${first}`;
      await ctrPull(pinned);
      assert.equal((await runContainer(rig, { image: pinned, id: 'test' })).stdout, GREETING);
      const other = `nix:0${made.greeter}@sha256:${'0'.repeat(64)}`;
      const { exitCode, stderr } = await ctrPull(other, false);
      assert.notEqual(exitCode, 0);
      assert.match(stderr, /not found|is not part of this image/);
    });

    it('takes a name with upper case as a tag', async () => {
      const { upper } = await buildPackages(rig.node, ['upper']);
      const [hash, name] = [upper.slice(11, 43), upper.slice(44)] as const;
      assert.match(name, /[A-Z]/);
      await ctrPull(`nix:0/${hash}:${name}`);
      await ctrPull(`nix:0/${hash}:latest`);
      assert.equal(await digestOf(`nix:0/${hash}:latest`), await digestOf(`nix:0/${hash}:${name}`));
    });

    it('finds a path by its hash alone in a cache, whatever its name', async () => {
      const { plus } = await buildPackages(rig.node, ['plus']);
      await rig.cache.add([plus]);
      await deletePaths(rig.node, [plus]);
      const hash = plus.slice('/nix/store/'.length).split('-')[0] ?? '';
      await rig.containerd.crictl(['pull', `nix:0/${hash}`]);
      await rig.node.exec(['nix-store', '--check-validity', plus]);
      await ctrPull(`nix:0/${hash}:latest`);
      const { exitCode, stderr } = await ctrPull(`nix:0/${'0'.repeat(32)}:latest`, false);
      assert.notEqual(exitCode, 0);
      assertTold(stderr, ['no path with hash 0000', `${rig.cache.url}: has not got it`]);
    });

    it('serves an image that lies in the store as what it is, in each format', async () => {
      await rig.node.exec(['nix-store', '--realise', made.closureInfo]);
      for (const [format, pack] of [
        ['oci-archive', 'cat'],
        ['docker-archive', 'gzip'],
        ['oci-layout', undefined],
      ] as const) {
        await rig.node.exec(['rm', '-rf', '/tmp/images/own.tar', '/tmp/images/packed']);
        const written = await ownImage(rig, made, 'localhost/own:1', ['--format', format]);
        if (pack !== undefined) await rig.node.sh(`${pack} < ${written} > /tmp/images/packed`);
        const added = pack === undefined ? written : '/tmp/images/packed';
        const path = (await rig.node.exec(['nix-store', '--add', added])).stdout;
        const image = `nix:0${path}:latest`;
        await ctrPull(image);
        assert.equal((await runContainer(rig, { image, id: 'test' })).stdout, GREETING, format);
      }
    });

    it('says to each client why a path cannot be had', async () => {
      const image = `nix:0/${ABSENT}:latest`;
      for (const { exitCode, stderr } of [
        await ctrPull(image, false),
        await nerdctl(['pull', image], false),
        await rig.containerd.crictl(['pull', image], { reject: false }),
      ]) {
        assert.notEqual(exitCode, 0);
        assertTold(stderr, WHY_ABSENT);
      }
    });
  });
}
