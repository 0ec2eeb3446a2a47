import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { busyboxEntries } from '../fixtures/images.ts';
import { ociArchive } from '../fixtures/oci-archive.ts';
import { runContainer } from './support/container.ts';
import { GREETING, greeterClosure, ownImage } from './support/greeter.ts';
import { inFull, matrix } from './support/matrix.ts';
import { startRegistry } from './support/registry.ts';
import { eventually, Rig } from './support/rig.ts';

const LOCAL = 'localhost/greeter:1';
const ORDINARY = 'localhost/ordinary:1';
/** The directory itself. */
const NOT_UNPACKED = 1;

for (const row of await matrix(['1.7', '2.4', ...inFull('2.3')])) {
  describe(`a Nix layer that is known, on containerd ${row.title}`, { skip: row.skip }, () => {
    it('is not unpacked when its blob is there, and the image can be run, saved, pushed and pulled', async () => {
      await using rig = await Rig.up({ row });
      const made = await greeterClosure(rig);
      const registry = await startRegistry(rig.node);
      await rig.nix2container(['load', await ownImage(rig, made, LOCAL)]);
      assert.equal(await nixLayerInodes(rig), NOT_UNPACKED);
      assert.equal(await greeting(rig, LOCAL), GREETING);

      await rig.containerd.ctr(['image', 'export', '/tmp/images/exported.tar', LOCAL]);
      const remote = `${registry.address}/greeter:1`;
      await rig.containerd.ctr(['image', 'tag', LOCAL, remote]);
      await rig.containerd.ctr(['image', 'push', '--plain-http', remote]);
      await removeImages(rig, LOCAL, remote);

      // A client fetches only what it unpacks, and push needs the blob again.
      await pull(rig, remote);
      assert.ok((await nixLayerInodes(rig)) > made.closure.length);
      assert.equal(await greeting(rig, remote), GREETING);
      await rig.containerd.ctr(['image', 'push', '--plain-http', remote]);
      await removeImages(rig, remote);
    });

    it('is nobody else’s: an annotation that is not true is refused, and leaves other images as they are', async () => {
      await using rig = await Rig.up({ row });
      const made = await greeterClosure(rig);
      await rig.nix2container(['load', await ownImage(rig, made, LOCAL)]);
      const annotations = await annotationsOf(rig);
      const forged = await rig.nix2container(
        ['load', await busyboxImage(rig, 'localhost/forged:1', annotations)],
        { reject: false },
      );
      assert.notEqual(forged.exitCode, 0);
      assert.match(forged.stderr, /annotations name the closure \S+, but what was unpacked is no Nix layer/);
      await rig.nix2container(['load', await busyboxImage(rig, ORDINARY)]);
      const listed = await runContainer(rig, { image: ORDINARY, id: 'ordinary' }, [
        '/bin/busybox',
        'ls',
        '/',
      ]);
      assert.doesNotMatch(listed.stdout, /^nix$/m);
      assert.match(listed.stdout, /^bin$/m);
    });
  });
}

/** How many inodes the lowest snapshot of the only image has: that of the Nix layer. */
async function nixLayerInodes(rig: Rig): Promise<number> {
  const { stdout } = await rig.containerd.ctr([
    'snapshots',
    '--snapshotter',
    'nix',
    'usage',
    await nixLayer(rig),
  ]);
  return Number(stdout.trim().split(/\s+/).at(-1));
}

async function nixLayer(rig: Rig): Promise<string> {
  const { stdout } = await rig.containerd.ctr(['snapshots', '--snapshotter', 'nix', 'ls']);
  // Without a parent the second column is the kind.
  const [lowest, ...others] = stdout.split('\n').filter((line) => /^sha256:\w+ +Committed/.test(line));
  assert.ok(lowest !== undefined && others.length === 0, stdout);
  return lowest.split(' ', 1)[0] ?? '';
}

/** The annotations of the Nix layer that is there. */
async function annotationsOf(rig: Rig): Promise<Readonly<Record<string, string>>> {
  const { stdout } = await rig.containerd.ctr([
    'snapshots',
    '--snapshotter',
    'nix',
    'info',
    await nixLayer(rig),
  ]);
  const { Labels: labels } = JSON.parse(stdout) as { Labels: Record<string, string> };
  const annotations = Object.entries(labels).filter(([name]) =>
    name.startsWith('containerd.io/snapshot/nix-'),
  );
  assert.equal(annotations.length, 2);
  return Object.fromEntries(annotations);
}

/** An image of one ordinary layer. */
async function busyboxImage(
  rig: Rig,
  name: string,
  annotations: Readonly<Record<string, string>> = {},
): Promise<string> {
  const archive = '/tmp/images/busybox.tar';
  const layers = [{ entries: await busyboxEntries(rig.node), annotations }];
  await rig.node.writeFile(archive, await ociArchive({ name, layers }));
  return archive;
}

async function greeting(rig: Rig, image: string): Promise<string> {
  return (await runContainer(rig, { image, id: 'greeting' })).stdout;
}

async function pull(rig: Rig, image: string): Promise<void> {
  await rig.containerd.ctr(['image', 'pull', '--plain-http', '--snapshotter', 'nix', image]);
}

/** Removes images and waits until the snapshots have gone with them. */
async function removeImages(rig: Rig, ...images: readonly string[]): Promise<void> {
  await rig.containerd.ctr(['image', 'rm', '--sync', ...images]);
  await eventually(async () => {
    const { stdout } = await rig.containerd.ctr(['snapshots', '--snapshotter', 'nix', 'ls']);
    assert.ok(!stdout.includes('sha256:'), stdout);
  });
}
