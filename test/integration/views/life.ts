import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Container } from '../support/container.ts';
import { footprint, mountPoints } from '../support/footprint.ts';
import { startGarbageCollector } from '../support/garbage-collector.ts';
import { eventually } from '../support/rig.ts';
import { IMAGES, NAMESPACE } from './images.ts';
import type { Subject } from './subject.ts';

/** What happens to containers and closures as time goes by. The last test removes the images. */
export function life(subject: () => Subject): void {
  const greet = (container: Container) =>
    container.exec(`${subject().packages.greeter}/bin/greet ${container.id}`);
  const assertWorks = async (container: Container) => {
    assert.equal((await greet(container)).stdout, `Hello from the Nix store, ${container.id}!`);
  };

  it('Nix collects no path of an image or a container', async () => {
    await using container = await subject().start();
    await using garbage = await startGarbageCollector(subject().rig.node);
    await garbage.nextRun();
    await assertWorks(container);
    assert.deepEqual(await absent(subject()), []);
    await using another = await subject().start();
    await garbage.nextRun();
    await assertWorks(another);
  });

  it('an optimised store: paths that share files by hard links', async () => {
    const { rig, twins } = subject();
    await using container = await subject().start();
    await rig.node.exec(['nix-store', '--optimise']);
    const files = twins.map((path) => `${path}/file`).join(' ');
    const { stdout } = await rig.node.sh(`stat -c %i ${files} | sort -u | wc -l`);
    assert.equal(stdout, '1');
    await using another = await subject().start();
    for (const each of [container, another]) {
      await assertWorks(each);
      assert.equal((await each.exec(`cat ${files}`)).stdout, 'the same content\nthe same content');
    }
    assert.ok(Number((await another.exec(`stat -c %h ${files.split(' ')[0] ?? ''}`)).stdout) > 1);
  });

  it('a path that was deleted by force is there again for the next container', async () => {
    const { rig, packages } = subject();
    await using before = await subject().start();
    await assertWorks(before);
    const { stdout } = await rig.node.exec([
      'nix-store',
      '--query',
      '--referrers-closure',
      packages.greeter,
      packages.file,
    ]);
    await rig.node.exec(['nix-store', '--delete', '--ignore-liveness', ...new Set(stdout.split('\n'))]);
    assert.ok((await absent(subject())).includes(packages.greeter));
    await using after = await subject().start();
    await assertWorks(after);
    assert.equal((await after.exec(`cat ${packages.file}`)).stdout, 'content of a file');
    assert.deepEqual(await absent(subject()), []);
    assert.equal((await before.exec('cat /data/seed')).exitCode, 0);
  });

  it('a container goes on while the daemon restarts, also after kill -9', async () => {
    const { rig } = subject();
    await using container = await subject().start();
    const mounts = await mountPoints(rig.node);
    await rig.snapshotter.restart();
    await rig.snapshotter.kill9();
    await assertWorks(container);
    await rig.snapshotter.start();
    // containerd waits a moment between two tries to connect.
    await eventually(async () => await subject().ctr(['snapshot', '--snapshotter', 'nix', 'ls']));
    await assertWorks(container);
    assert.deepEqual(await mountPoints(rig.node), mounts);
    await using another = await subject().start();
    await assertWorks(another);
  });

  it('after a reboot containers start, those too that were made before it', async () => {
    const { rig } = subject();
    await subject().ctr([
      'container',
      'create',
      '--snapshotter',
      'nix',
      IMAGES.plain,
      'made-before',
      'sleep',
      '1000',
    ]);
    await reboot(subject());
    await subject().ctr(['task', 'start', '--detach', 'made-before']);
    const { stdout } = await rig.node.exec([
      'chroot',
      `/run/containerd/io.containerd.runtime.v2.task/${NAMESPACE}/made-before/rootfs`,
      `${subject().packages.greeter}/bin/greet`,
    ]);
    assert.equal(stdout, 'Hello from the Nix store, world!');
    await subject().ctr(['task', 'delete', '--force', 'made-before']);
    await subject().ctr(['container', 'delete', 'made-before']);
    await using container = await subject().start();
    await assertWorks(container);
  });

  it('the last container of removed images keeps the closure; then nothing is left', async () => {
    const { rig, bare } = subject();
    {
      await using container = await subject().start();
      const names = (await subject().ctr(['image', 'ls', '-q'])).stdout.split('\n');
      await subject().ctr(['image', 'rm', '--sync', ...names]);
      await rig.node.exec(['nix-store', '--gc']);
      await assertWorks(container);
      assert.deepEqual(await absent(subject()), []);
    }
    await subject().ctr(['content', 'prune', 'references']);
    await eventually(async () => assert.deepEqual(await footprint(rig), bare));
    await rig.node.exec(['nix-store', '--gc']);
    assert.deepEqual(await absent(subject()), subject().closure);
  });
}

/** Paths of the closure that the node's store does not have. */
async function absent({ rig, closure }: Subject): Promise<readonly string[]> {
  const here = new Set((await rig.node.exec(['ls', '/nix/store'])).stdout.split('\n'));
  return closure.filter((path) => !here.has(path.slice('/nix/store/'.length)));
}

/** Ends what runs, and takes away what does not outlive a machine: our mounts and what is in `/run`. */
async function reboot({ rig, row }: Subject): Promise<void> {
  const { node, containerd, snapshotter } = rig;
  await containerd.stop();
  await snapshotter.stop();
  const ours = (await mountPoints(node)).filter((path) => path.startsWith(`${snapshotter.root}/`));
  assert.equal(ours.length > 0, row.view === 'overlay');
  for (const point of ours.toReversed()) {
    await node.exec(['umount', point]);
  }
  await node.exec(['rm', '-rf', '/run/containerd', '/run/nix-snapshotter']);
  await snapshotter.start();
  await containerd.start();
}
