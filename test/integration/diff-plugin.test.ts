import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BUSYBOX_IMAGE, busyboxArchive } from '../fixtures/images.ts';
import { buildPackages, deletePaths, closureOf } from '../fixtures/packages.ts';
import { inFull, matrix } from './support/matrix.ts';
import { startRegistry } from './support/registry.ts';
import { Rig } from './support/rig.ts';

/** Longer than everything the test does while the cache keeps quiet, in milliseconds. */
const QUIET = 8000;

for (const row of await matrix(['2.4', ...inFull('2.3')])) {
  describe(`prepare.wait = "apply" on containerd ${row.title}`, { skip: row.skip }, () => {
    it('unpacks while containers start and containerd collects garbage', async () => {
      const config = '[prepare]\nwait = "apply"\n';
      await using rig = await Rig.up({ row, config, diffPlugin: true });
      const { node, containerd, cache } = rig;
      const registry = await startRegistry(node);
      const image = `${registry.address}/greeter:1`;
      const { greeter } = await buildPackages(node, ['greeter']);
      const build = ['build', '--ref', image, '--out', '/tmp/greeter.tar', '--cmd', 'greet'];
      await rig.nix2container([...build, '--copy-to-root', greeter, greeter]);
      await rig.nix2container(['push', '/tmp/greeter.tar', image]);
      const infos = (await node.sh('ls -d /nix/store/*closure-info*')).stdout.trim().split('\n');
      await cache.add([greeter, ...infos]);
      await deletePaths(node, [...(await closureOf(node, [greeter])), ...infos]);
      await containerd.ctr(['image', 'import', '--snapshotter', 'nix', await busyboxArchive(node)]);

      await cache.setFaults([{ match: '/nar/', delay: QUIET }]);
      let pulled = false;
      const pull = containerd
        .ctr(['image', 'pull', '--plain-http', '--snapshotter', 'nix', image])
        .finally(() => (pulled = true));
      while (!(await rig.cache.requests()).some(({ path }) => path.endsWith('.narinfo'))) {
        assert.equal(pulled, false, 'the pull ended before it asked the cache');
      }
      const collected = containerd.ctr(['content', 'prune', 'references']);
      for (const name of ['one', 'two', 'three']) {
        await containerd.ctr(['run', '--rm', '--snapshotter', 'nix', BUSYBOX_IMAGE, name, 'true']);
      }
      await collected;
      assert.equal(pulled, false, 'containers started only after the pull: they waited for its Prepare');
      await cache.setFaults([]);
      await pull;
      const { stdout } = await containerd.ctr(['run', '--rm', '--snapshotter', 'nix', image, 'greeter']);
      assert.match(stdout, /Hello from the Nix store/);
    });

    it('fails the pull, with the reason, when the cache has not got the path', async () => {
      const config = '[prepare]\nwait = "apply"\n';
      await using rig = await Rig.up({ row, config, diffPlugin: true });
      const { node, containerd } = rig;
      const registry = await startRegistry(node);
      const image = `${registry.address}/lost:1`;
      const { greeter } = await buildPackages(node, ['greeter']);
      await rig.nix2container(['build', '--ref', image, '--out', '/tmp/lost.tar', greeter]);
      await rig.nix2container(['push', '/tmp/lost.tar', image]);
      const infos = (await node.sh('ls -d /nix/store/*closure-info*')).stdout.trim().split('\n');
      await deletePaths(node, [...(await closureOf(node, [greeter])), ...infos]);
      const pull = ['image', 'pull', '--plain-http', '--snapshotter', 'nix', image];
      const { exitCode, stderr } = await containerd.ctr(pull, { reject: false });
      assert.notEqual(exitCode, 0);
      assert.match(stderr, /\/nix\/store\/[a-z0-9]{32}-\S+ cannot be fetched: no cache has it/);
      assert.match(stderr, /http:\/\/127\.0\.0\.1/);
    });
  });
}
