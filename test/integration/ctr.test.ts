import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import type { ExecResult } from '../sandbox/sandbox.ts';
import { runContainer } from './support/container.ts';
import { type Footprint, footprint } from './support/footprint.ts';
import { type GreeterClosure, forget, GREETING, greeterClosure } from './support/greeter.ts';
import { matrix } from './support/matrix.ts';
import { startRegistry } from './support/registry.ts';
import { HOSTS_DIR, RESOLVER_CONFIG, useResolver } from './support/resolver-hosts.ts';
import { Rig, eventually } from './support/rig.ts';

const MOUNTED = '/tmp/mounted';
const CONVERTED = 'localhost/converted:1';

for (const row of await matrix(['1.7', '2.1', '2.3', '2.4'])) {
  describe(`ctr with Nix images, on containerd ${row.title}`, { skip: row.skip }, () => {
    let rig: Rig;
    let made: GreeterClosure;
    /** A plain store path with a shell, and its only layer's snapshot. */
    let image: string;
    let layer: string;
    let registry: string;
    let bare: Footprint;

    before(async () => {
      rig = await Rig.up({ row, config: `${RESOLVER_CONFIG}[gc]\ngrace = "1s"\n` });
      await useResolver(rig);
      made = await greeterClosure(rig);
      await rig.cache.add([made.busybox]);
      await forget(rig, made);
      registry = (await startRegistry(rig.node)).address;
      bare = await footprint(rig);
      image = `nix:0${made.busybox}:latest`;
      await pull(image);
      [layer = ''] = (await snapshot('ls'))
        .split('\n')
        .slice(1)
        .map((line) => line.split(' ', 1)[0] ?? '');
    });
    afterEach(async () => {
      const others = (await ctr('image', 'ls', '-q')).stdout.split('\n').filter((name) => name !== image);
      if (others.length > 0) await ctr('image', 'rm', '--sync', ...others);
    });
    after(async () => await rig.down());

    const ctr = async (...args: readonly string[]): Promise<ExecResult> => await rig.containerd.ctr(args);
    const pull = async (reference: string) =>
      await ctr('image', 'pull', '--hosts-dir', HOSTS_DIR, '--snapshotter', 'nix', reference);
    const snapshot = async (...args: readonly string[]): Promise<string> =>
      (await ctr('snapshot', '--snapshotter', 'nix', ...args)).stdout;
    const run = async (reference: string, command: readonly string[], flags: readonly string[] = []) =>
      (await runContainer(rig, { image: reference, id: 'test', flags }, command)).stdout;
    const shell = (text: string) => [`${made.busybox}/bin/sh`, '-c', text];
    const name = () => made.busybox.slice('/nix/store/'.length);

    it('run: user, environment, directory, read-only', async () => {
      const flags = ['--user', '7', '--env', 'WORD=hello', '--cwd', '/nix', '--read-only'];
      const said = await run(
        image,
        shell('id -u; echo $WORD; pwd; touch /new 2> /dev/null || echo refused'),
        flags,
      );
      assert.equal(said, '7\nhello\n/nix\nrefused');
    });

    it('image check, and usage, which is that of the layer and not of the store paths', async () => {
      const check = (await ctr('image', 'check', '--snapshotter', 'nix')).stdout.split('\n').at(-1) ?? '';
      assert.match(check, /^nix:0\S+ .*complete \(2\/2\).* true *$/);
      const usage = (await ctr('image', 'usage', '--snapshotter', 'nix', image)).stdout;
      assert.match(usage, new RegExp(`^${layer} +\\d+\\.\\d KiB +\\d+ *$`, 'm'));
      assert.match(await snapshot('usage', layer), new RegExp(`^${layer} +\\d+\\.\\d KiB +\\d+ *$`, 'm'));
    });

    it('image mount, read-only and writable', async () => {
      // containerd 2.3 keeps the name of a mount for a moment after its end.
      const [readOnly, writable] = [`${MOUNTED}-ro`, `${MOUNTED}-rw`];
      await rig.node.exec(['mkdir', readOnly, writable]);
      const mount = ['image', 'mount', '--snapshotter', 'nix'];
      const unmount = ['image', 'unmount', '--snapshotter', 'nix', '--rm'];
      await ctr(...mount, image, readOnly);
      assert.equal((await rig.node.exec(['ls', '-A', `${readOnly}/nix/store`])).stdout, name());
      await rig.node.sh(`cmp ${made.busybox}/bin/busybox ${readOnly}${made.busybox}/bin/busybox`);
      assert.notEqual((await rig.node.exec(['touch', `${readOnly}/x`], { reject: false })).exitCode, 0);
      await ctr(...unmount, readOnly);
      await ctr(...mount, '--rw', image, writable);
      await rig.node.exec(['touch', `${writable}/x`, `${writable}${made.busybox}/x`]);
      await ctr(...unmount, writable);
      assert.equal((await rig.node.exec(['test', '-e', `${made.busybox}/x`], { reject: false })).exitCode, 1);
    });

    it('snapshot prepare, mounts, tree, diff, commit, info, rm', async () => {
      await rig.node.exec(['mkdir', '-p', MOUNTED]);
      await snapshot('prepare', 'changed', layer);
      await rig.node.sh(await snapshot('mounts', MOUNTED, 'changed'));
      await rig.node.sh(`ls -d ${MOUNTED}${made.busybox}; echo content > ${MOUNTED}/new; umount ${MOUNTED}`);
      assert.match(await snapshot('tree'), /\n? *changed/);
      const diff = [
        '--address',
        rig.containerd.socket,
        'snapshot',
        '--snapshotter',
        'nix',
        'diff',
        'changed',
      ];
      const members = await rig.node.sh(`${rig.containerd.binDir}/ctr ${diff.join(' ')} | tar -tz`);
      assert.equal(members.stdout, 'new');
      await snapshot('commit', 'layer', 'changed');
      assert.match(await snapshot('info', 'layer'), /"Kind": "Committed"/);
      await snapshot('rm', 'layer');
    });

    it('convert, export and import, tag, push and pull: the closure comes with each', async () => {
      await ctr('image', 'convert', '--uncompress', '--oci', image, CONVERTED);
      assert.equal(await run(CONVERTED, shell('ls /nix/store')), name());
      const pushed = `${registry}/converted:1`;
      await ctr('image', 'tag', CONVERTED, pushed);
      await ctr('image', 'push', '--plain-http', pushed);
      await ctr('image', 'export', '/tmp/exported.tar', image);
      await ctr('image', 'rm', '--sync', image, CONVERTED, pushed);
      await eventually(async () => {
        assert.deepEqual(await footprint(rig), bare);
        await rig.node.exec(['nix-store', '--gc']);
        assert.equal((await rig.node.exec(['test', '-e', made.busybox], { reject: false })).exitCode, 1);
      });
      await ctr('image', 'pull', '--plain-http', '--snapshotter', 'nix', pushed);
      assert.equal(await run(pushed, shell('echo pulled')), 'pulled');
      await ctr('image', 'import', '--snapshotter', 'nix', '/tmp/exported.tar');
      assert.equal(await run(image, shell('echo imported')), 'imported');
    });

    it('content prune references: what is unpacked runs on; removed and pulled again, it can be exported', async () => {
      const greeter = `nix:0${made.greeter}:latest`;
      await pull(greeter);
      await ctr('content', 'prune', 'references');
      assert.equal(await run(greeter, []), GREETING);
      const exported = ['image', 'export', '/tmp/greeter.tar', greeter];
      assert.match(
        (await rig.containerd.ctr(exported, { reject: false })).stderr,
        /content digest .* not found/,
      );
      await ctr('image', 'rm', '--sync', greeter);
      await pull(greeter);
      await ctr(...exported);
    });
  });
}
