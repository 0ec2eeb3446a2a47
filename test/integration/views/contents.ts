import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { ViewRow } from '../support/matrix.ts';
import { eventually } from '../support/rig.ts';
import { limited } from '../support/view-limits.ts';
import type { Subject } from './subject.ts';

/** What a container sees of the store, and by which mounts. */
export function contents(row: ViewRow, subject: () => Subject): void {
  it('store paths are in a container as they are in the store', async () => {
    const { rig, closure } = subject();
    const text = describeTrees(closure);
    const inStore = (await rig.node.exec(['busybox', 'sh', '-c', text])).stdout;
    assertSameLines(await subject().run(text), inStore);
    assert.match(inStore, /^d 555 1 0:0 .*-greeter-1\.0$/m);
    assert.match(inStore, /^- 555 1 0:0 \d+ .*-executable-file$/m);
  });

  const linkTime = () => `stat -c %Y ${subject().packages.linkToDirectory}`;
  limited(row, 'a store path that is a link has the modification time of the store', {
    async holds() {
      assert.equal(await subject().run(linkTime()), '1');
    },
    async binds() {
      assert.equal(await subject().run(linkTime()), '0');
    },
  });

  it('store paths that are files, links and empty work as such', async () => {
    const { packages } = subject();
    const { executable, linkToDirectory, emptyDirectory, greeter } = packages;
    assert.equal(await subject().run(executable), 'ran a store path that is a file');
    assert.equal(await subject().run(`${linkToDirectory}/bin/greet link`), GREETING);
    assert.equal(
      await subject().run(`ls -A ${emptyDirectory} | wc -l; readlink ${linkToDirectory}`),
      `0\n${greeter}`,
    );
  });

  limited(row, 'a container sees the store paths of its image only', {
    async holds() {
      assert.deepEqual(await subject().shown(), subject().closure);
    },
    async store() {
      const { rig } = subject();
      const whole = (await rig.node.exec(['ls', '-A', '/nix/store'])).stdout.split('\n');
      assert.deepEqual(await subject().shown(), whole.map((name) => `/nix/store/${name}`).toSorted());
      assert.ok(whole.length > subject().closure.length);
    },
  });

  limited(row, 'a container has one mount at its root and none at its store', {
    async holds() {
      assert.deepEqual(await mountPoints(subject()), ['/ overlay']);
    },
    async binds() {
      const { rig, closure } = subject();
      // A link is shown by itself: a bind would show what it leads to.
      const noLinks = ['-maxdepth', '0', '!', '-type', 'l'];
      const bound = (await rig.node.exec(['find', ...closure, ...noLinks])).stdout.split('\n');
      const type = (await rig.node.exec(['stat', '-f', '-c', '%T', '/nix/store'])).stdout;
      assert.match(type, /^ext/);
      assert.deepEqual(await mountPoints(subject()), [
        '/ overlay',
        ...bound.map((path) => `${path} ext4`).toSorted(),
      ]);
    },
    async store() {
      assert.deepEqual(await mountPoints(subject()), ['/ overlay', '/nix/store ext4']);
    },
  });

  limited(row, 'a container adds fewer than five lines to the mount table of the node', {
    async holds() {
      assert.ok((await addedMounts(subject())) < 5);
    },
    async binds() {
      const { rig, closure } = subject();
      const links = (await rig.node.exec(['find', ...closure, '-maxdepth', '0', '-type', 'l'])).stdout;
      assert.equal(await addedMounts(subject()), 1 + closure.length - links.split('\n').length);
    },
  });

  it('a View snapshot shows them read-only', async () => {
    const { rig, closure } = subject();
    const target = '/tmp/snapshot-view';
    const snapshot = ['snapshot', '--snapshotter', 'nix'];
    await using container = await subject().start();
    const parent = await parentOf(subject(), container.id);
    await eventually(async () => {
      await subject().ctr([...snapshot, 'view', 'by-hand', parent], { reject: false });
      // Until this label is there, the snapshot is garbage to a collection of containerd's that runs now.
      await subject().ctr([...snapshot, 'label', 'by-hand', 'containerd.io/gc.root=test']);
    });
    try {
      const commands = await subject().ctr([...snapshot, 'mounts', target, 'by-hand']);
      await rig.node.sh(`mkdir ${target}; ${commands.stdout.replaceAll('?', '\\?').replaceAll('\n', '; ')}`);
      const text = describeTrees(closure);
      const inStore = await rig.node.exec(['busybox', 'sh', '-c', text]);
      assertSameLines((await rig.node.exec(['chroot', target, 'sh', '-c', text])).stdout, inStore.stdout);
      const written = await rig.node.exec(['touch', `${target}/nix/store/new`], { reject: false });
      assert.match(written.stderr, /Read-only file system/);
    } finally {
      await rig.node.sh(`umount -R ${target} && rmdir ${target}`);
      await subject().ctr([...snapshot, 'rm', 'by-hand']);
    }
  });
}

const GREETING = 'Hello from the Nix store, link!';

/**
 * A shell text that prints type, mode, mtime, owner, size, link target and content of all that is at and below the
 * paths; no sizes of directories, which differ between file systems, nor mtimes of links.
 */
function describeTrees(paths: readonly string[]): string {
  const each = [
    'if [ -L "$1" ]; then stat -c "l %u:%g %N" "$1"',
    'elif [ -d "$1" ]; then stat -c "d %a %Y %u:%g %n" "$1"',
    'else stat -c "- %a %Y %u:%g %s %n" "$1"; md5sum "$1"; fi',
  ].join('; ');
  const quoted = paths.map((path) => `'${path}'`).join(' ');
  return `set -e; find ${quoted} | sort | while read -r path; do set -- "$path"; ${each}; done`;
}

/** `<mount point> <type>` of the mounts at a container's root and at or below `/nix`, sorted. */
async function mountPoints(subject: Subject): Promise<readonly string[]> {
  const table = await subject.run('cat /proc/mounts');
  return table
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([, point = '']) => point === '/' || /^\/nix(\/|$)/.test(point))
    .map(([, point = '', type = '']) => `${point} ${type}`)
    .toSorted();
}

/** Lines that two containers add to the node's mount table, divided by two; none is left when they are gone. */
async function addedMounts(subject: Subject): Promise<number> {
  const { node } = subject.rig;
  const count = async () => Number((await node.exec(['wc', '-l', '/proc/1/mountinfo'])).stdout.split(' ')[0]);
  // A view's own mount is there from the first container on.
  await using first = await subject.start();
  const before = await count();
  const others = [await subject.start(), await subject.start()];
  const added = (await count()) - before;
  for (const container of others) await container[Symbol.asyncDispose]();
  assert.equal(await count(), before, first.id);
  return added / others.length;
}

/** The topmost snapshot of a container's image. */
async function parentOf(subject: Subject, id: string): Promise<string> {
  const { stdout } = await subject.ctr(['snapshot', '--snapshotter', 'nix', 'info', id]);
  return (JSON.parse(stdout) as { Parent: string }).Parent;
}

/** Fails with the lines that only one of the texts has. */
function assertSameLines(actual: string, expected: string): void {
  const [one, other] = [actual.split('\n'), expected.split('\n')];
  assert.deepEqual(
    {
      extra: one.filter((line) => !other.includes(line)),
      missing: other.filter((line) => !one.includes(line)),
    },
    { extra: [], missing: [] },
  );
}
