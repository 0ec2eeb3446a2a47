import assert from 'node:assert/strict';
import { lstatSync, readdirSync, readlinkSync } from 'node:fs';
import type { SnapshotsInfo } from '../../../proto/gen/messages.ts';
import type { Mount } from '../../../src/view/mount.ts';
import type { Expected, Model } from './operations.ts';
import { NAMESPACE, type World } from './world.ts';

const PROBE = 'probe';
const PROBE_LABELS = { 'containerd.io/gc.root': 'yes' };

/** Lets containerd collect its garbage; afterwards our daemon must hold what containerd knows and nothing else. */
export async function collectGarbage(world: World): Promise<void> {
  // containerd cleans up only a snapshotter of which something was removed since the last time.
  await world.snapshots.Prepare({ snapshotter: 'nix', key: 'dirty', labels: PROBE_LABELS });
  await world.snapshots.Remove({ snapshotter: 'nix', key: 'dirty' });
  await world.collectGarbage();
  await world.direct(({ snapshots }) => snapshots.Cleanup({}));
}

/** Compares the client's memory, containerd, our daemon and its disk. */
export async function assertConsistent(world: World, model: Model): Promise<void> {
  const known = await infos(world.snapshots.List({ snapshotter: 'nix' }));
  const ours = await world.direct(({ snapshots }) => infos(snapshots.List({})));
  const byName = new Map(ours.map((info) => [clientKey(info.name), info]));
  assert.deepEqual([...byName.keys()].toSorted(), known.map(({ name }) => name).toSorted());
  assert.equal(ours.length, known.length);
  for (const { name, parent, kind } of known) {
    const own = byName.get(name);
    assert.deepEqual([own?.kind, clientKey(own?.parent ?? '')], [kind, parent], name);
  }
  for (const [key, expected] of model.snapshots) {
    const { info } = await world.snapshots.Stat({ snapshotter: 'nix', key });
    const { kind, parent, labels } = expected;
    assert.deepEqual(
      { kind: info?.kind, parent: info?.parent, labels: info?.labels },
      { kind, parent, labels },
      key,
    );
  }
  await assertDisk(world, ours);
}

async function assertDisk(world: World, ours: readonly SnapshotsInfo[]): Promise<void> {
  const { snapshotter, node } = world;
  const list = (name: string) => readdirSync(node.hostPath(`${snapshotter.root}/${name}`));
  const directories = list('snapshots');
  assert.equal(directories.length, ours.length, `directories ${directories.join(' ')}`);
  for (const name of directories) {
    assert.match(name, /^\d+$/);
    assert.ok(lstatSync(node.hostPath(`${snapshotter.root}/snapshots/${name}/fs`)).isDirectory());
  }
  const report = await world.direct(({ status }) => status.Status({}));
  assert.deepEqual(report.problems, []);
  const roots = list('gcroots');
  assert.equal(BigInt(roots.length), report.nix_layers, `roots ${roots.join(' ')}`);
  for (const root of roots) {
    assert.ok(directories.includes(root), `root ${root} without a snapshot`);
    const target = readlinkSync(node.hostPath(`${snapshotter.root}/gcroots/${root}`));
    lstatSync(node.hostPath(target));
  }
}

/** Mounts every snapshot and reads what its chain must show. */
export async function assertContent(world: World, model: Model): Promise<void> {
  for (const [key, { kind }] of model.snapshots) {
    const files = expectedFiles(model, key);
    if (kind === 'COMMITTED') {
      const labels = PROBE_LABELS;
      const { mounts } = await world.snapshots.View({ snapshotter: 'nix', key: PROBE, parent: key, labels });
      await assertMounted(world, mounts, files, key);
      await world.snapshots.Remove({ snapshotter: 'nix', key: PROBE });
    } else {
      const { mounts } = await world.snapshots.Mounts({ snapshotter: 'nix', key });
      await assertMounted(world, mounts, files, key);
    }
  }
}

function expectedFiles(model: Model, key: string): ReadonlyMap<string, string> {
  const files = new Map<string, string>();
  for (let name = key; name !== ''; ) {
    const expected: Expected | undefined = model.snapshots.get(name);
    assert.ok(expected, name);
    if (expected.file !== undefined) files.set(expected.file.name, expected.file.text);
    name = expected.parent;
  }
  return files;
}

async function assertMounted(
  world: World,
  mounts: readonly Mount[],
  files: ReadonlyMap<string, string>,
  key: string,
): Promise<void> {
  // Relative to their common directory, as containerd's mounter makes long lower directories fit.
  const snapshots = `${world.snapshotter.root}/snapshots`;
  const commands = mounts.map(({ type, source, target, options }) => {
    if (options.includes('rbind')) return `mount -o '${options.join(',')}' '${source}' '/mnt/${target}'`;
    const relative = options.map((option) => option.replaceAll(`${snapshots}/`, ''));
    return `(cd '${snapshots}'; mount -t ${type} -o '${relative.join(',')}' '${source}' '/mnt/${target}')`;
  });
  const names = [...files.keys()].toSorted();
  const read = `cd /mnt; ls -d file-* 2>/dev/null | sort; for f in ${names.join(' ')}; do cat $f; echo; done`;
  // In a mount namespace of its own nothing stays mounted.
  const script = [...commands, `(${read})`].join('\n');
  const { stdout } = await world.node.exec(['unshare', '--mount', 'sh', '-euc', script]);
  const expected = [...names, ...names.map((name) => files.get(name) ?? '')];
  assert.deepEqual(stdout.split('\n').filter(Boolean), expected, key);
}

async function infos(batches: AsyncIterable<{ info: SnapshotsInfo[] }>): Promise<readonly SnapshotsInfo[]> {
  const all: SnapshotsInfo[] = [];
  for await (const { info } of batches) all.push(...info);
  return all;
}

/** What containerd's client calls the snapshot that containerd calls `<namespace>/<number>/<key>`. */
function clientKey(name: string): string {
  if (name === '') return '';
  const match = new RegExp(`^${NAMESPACE}/\\d+/(.*)$`, 's').exec(name);
  assert.ok(match?.[1] !== undefined, name);
  return match[1];
}

/** Removes every image and snapshot, children first; views and roots must go with them. */
export async function removeAll(world: World, model: Model): Promise<void> {
  for (const name of model.images) await world.ctr('image', 'rm', name);
  const left = new Map(model.snapshots);
  while (left.size > 0) {
    const parents = new Set([...left.values()].map(({ parent }) => parent));
    const leaves = [...left.keys()].filter((key) => !parents.has(key));
    assert.ok(leaves.length > 0, "snapshots are each other's parents");
    for (const key of leaves) {
      await world.snapshots.Remove({ snapshotter: 'nix', key });
      left.delete(key);
    }
  }
  await collectGarbage(world);
}

/** Names of the closures' views on disk. */
export function viewsOnDisk({ node, snapshotter }: World): readonly string[] {
  return readdirSync(node.hostPath(`${snapshotter.root}/views`)).toSorted();
}

export async function mountTable(world: World): Promise<readonly string[]> {
  const { stdout } = await world.node.exec(['cut', '-d', ' ', '-f', '5', '/proc/1/mountinfo']);
  return stdout.split('\n').toSorted();
}
