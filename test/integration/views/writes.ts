import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Container } from '../support/container.ts';
import type { ViewRow } from '../support/matrix.ts';
import { limited } from '../support/view-limits.ts';
import type { Subject } from './subject.ts';

/** What becomes of a container's writes at and below `/nix/store`. */
export function writes(row: ViewRow, subject: () => Subject): void {
  limited(row, 'a container may create files beside the store paths', {
    async holds() {
      await using container = await subject().start();
      const { exitCode } = await container.exec('echo mine > /nix/store/of-the-container');
      assert.equal(exitCode, 0);
      assert.deepEqual(await ownChanges(subject(), container), ['/of-the-container']);
      await assertStoreUntouched(subject());
    },
    async store() {
      await using container = await subject().start();
      assert.match((await container.exec('touch /nix/store/of-the-container')).stderr, READ_ONLY);
      await assertStoreUntouched(subject());
    },
  });

  const change = ({ packages }: Subject) =>
    `echo changed > ${packages.greeter}/share/greeter/message && echo new > ${packages.plus}/new && ` +
    `echo changed > ${packages.file} && rm -rf ${packages.equals} && chmod 700 ${packages.emptyDirectory}`;
  const refused = async () => {
    await using container = await subject().start();
    const { stderr, exitCode } = await container.exec(change(subject()));
    assert.match(stderr, READ_ONLY);
    assert.notEqual(exitCode, 0);
    const removed = await container.exec(`rm -rf ${subject().packages.equals}`);
    assert.match(removed.stderr, /Read-only file system|Resource busy/);
    await assertStoreUntouched(subject());
  };

  limited(
    row,
    'a container may change store paths: what it sees changes, the store and other containers do not',
    {
      async holds() {
        const { packages, closure } = subject();
        await using other = await subject().start();
        await using container = await subject().start();
        const { stderr, exitCode } = await container.exec(change(subject()));
        assert.equal(exitCode, 0, stderr);
        const { stdout } = await container.exec(
          `cat ${packages.greeter}/share/greeter/message ${packages.plus}/new ${packages.file}; ls -d ${packages.equals}; ls -A /nix/store | wc -l`,
        );
        assert.equal(stdout, `changed\nnew\nchanged\n${closure.length - 1}`);
        assert.deepEqual(
          await ownChanges(subject(), container),
          [
            name(packages.greeter),
            `${name(packages.greeter)}/share`,
            `${name(packages.greeter)}/share/greeter`,
            `${name(packages.greeter)}/share/greeter/message`,
            name(packages.plus),
            `${name(packages.plus)}/new`,
            name(packages.file),
            name(packages.equals),
            name(packages.emptyDirectory),
          ].toSorted(),
        );
        const elsewhere = await other.exec(
          `${packages.greeter}/bin/greet other; cat ${packages.equals}/share/name`,
        );
        assert.equal(elsewhere.stdout, 'Hello from the Nix store, other!\nx=y');
        await assertStoreUntouched(subject());
      },
      binds: refused,
      store: refused,
    },
  );

  const rename = async (container: Container, from: string) => {
    const script = 'rename($ARGV[0], $ARGV[1]) or print "$!\\n"';
    const paths = [`${container.rootfs}${from}`, `${container.rootfs}${from}.renamed`];
    return (await subject().rig.node.exec(['perl', '-e', script, ...paths])).stdout;
  };

  limited(row, 'renaming a directory of the store is answered as by any overlay: EXDEV', {
    async holds() {
      await using container = await subject().start();
      assert.equal(await rename(container, subject().packages.equals), 'Invalid cross-device link');
      const moved = await container.exec(
        `mv ${subject().packages.equals} /nix/store/moved && cat /nix/store/moved/share/name`,
      );
      assert.equal(moved.stdout, 'x=y');
    },
    async binds() {
      await using container = await subject().start();
      assert.equal(await rename(container, subject().packages.equals), 'Device or resource busy');
    },
    async store() {
      await using container = await subject().start();
      assert.equal(await rename(container, subject().packages.equals), 'Read-only file system');
    },
  });

  it('a container may write everywhere else', async () => {
    await using container = await subject().start();
    assert.equal((await container.exec('echo mine > /data/seed && cat /data/seed')).stdout, 'mine');
    assert.equal(await subject().run('cat /data/seed'), 'from the base layer');
  });
}

const READ_ONLY = /Read-only file system/;

function name(path: string): string {
  return path.slice('/nix/store'.length);
}

/** What a container's own layer has below `/nix/store`, sorted, relative to it; mount points aside. */
async function ownChanges({ rig }: Subject, container: Container): Promise<readonly string[]> {
  const options = (await rig.node.exec(['findmnt', '-n', '-o', 'OPTIONS', container.rootfs])).stdout;
  const upper = /upperdir=([^,]*)/.exec(options)?.[1] ?? '';
  assert.ok(upper.startsWith(`${rig.snapshotter.root}/snapshots/`), options);
  const { stdout } = await rig.node.exec(['find', `${upper}/nix/store`, '-mindepth', '1']);
  return stdout
    .split('\n')
    .filter(Boolean)
    .map((path) => path.slice(`${upper}/nix/store`.length))
    .toSorted();
}

/** Nix's own look at the content of every path of the closure. */
async function assertStoreUntouched({ rig, closure }: Subject): Promise<void> {
  const { stdout } = await rig.node.exec(['nix-store', '--verify-path', ...closure]);
  assert.equal(stdout, '');
  const extra = await rig.node.exec(['ls', '/nix/store/of-the-container'], { reject: false });
  assert.notEqual(extra.exitCode, 0);
}
