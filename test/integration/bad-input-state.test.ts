import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { Level } from 'level';
import { CLOSURE_ANNOTATION } from '../../src/closure/annotations.ts';
import { writeBrokenRoot } from '../fixtures/broken-root.ts';
import { sandboxUnavailable } from '../sandbox/available.ts';
import { skipWithout } from '../sandbox/components.ts';
import { SNAPSHOTTER_ROOT, SNAPSHOTTER_SOCKET } from '../sandbox/containerd.ts';
import { DaemonRig, refused, runProgram } from './bad-input/daemon-rig.ts';

const skip = sandboxUnavailable() ?? (await skipWithout('debian-trixie'));

/** Makes `base`, a committed snapshot, and `child`, an active one on top of it. */
async function chain(rig: DaemonRig): Promise<void> {
  await rig.snapshots.Prepare({ key: 'key' });
  await rig.snapshots.Commit({ key: 'key', name: 'base' });
  await rig.snapshots.Prepare({ key: 'child', parent: 'base' });
}

/** Takes the copies of the records away that lie in the snapshots' directories. */
function removeCopies(rig: DaemonRig): void {
  for (const id of rig.names('snapshots'))
    rmSync(rig.node.hostPath(`${rig.daemon.root}/snapshots/${id}/record`));
}

/** Writes into the stopped daemon's metadata. */
async function tamper(rig: DaemonRig, edit: (db: Level) => Promise<void>): Promise<void> {
  const db = new Level(rig.node.hostPath(`${rig.daemon.root}/metadata`));
  await edit(db);
  await db.close();
}

describe('damaged state', { skip }, () => {
  it('a corrupt record is made again from its copy', async () => {
    await using rig = await DaemonRig.up();
    await chain(rig);
    await rig.daemon.stop();
    await tamper(rig, (db) => db.put('r:child', '{"v":1,"id":'));
    await rig.daemon.start();
    await rig.snapshots.Mounts({ key: 'child' });
    const status = await rig.status();
    assert.deepEqual(status.problems, []);
    assert.match(status.repairs.join(), /snapshot "child": its corrupt record was made again/);
    assert.match(await rig.daemon.logs(), /snapshot \\"child\\": its corrupt record was made again/);
    const { stdout } = await runProgram(rig.node, ['status', '--address', rig.daemon.socket]);
    assert.match(stdout, /repaired {3}snapshot "child": its corrupt record was made again/);
  });

  it('a corrupt record without a copy degrades one snapshot, which can be removed; the others work', async () => {
    await using rig = await DaemonRig.up();
    await chain(rig);
    await rig.snapshots.Prepare({ key: 'other' });
    await rig.daemon.stop();
    removeCopies(rig);
    await tamper(rig, (db) => db.put('r:child', '{"v":1,"id":'));
    await rig.daemon.start();

    const told = ['"child"', 'metadata record is corrupt', 'remove it and pull the image again'];
    await refused(rig.snapshots.Stat({ key: 'child' }), 'DataLoss', ...told);
    await refused(rig.snapshots.Mounts({ key: 'child' }), 'DataLoss', ...told);
    await refused(rig.snapshots.Commit({ key: 'child', name: 'c' }), 'DataLoss', ...told);
    await refused(rig.snapshots.Prepare({ key: 'on-top', parent: 'child' }), 'DataLoss', ...told);
    await refused(rig.snapshots.Prepare({ key: 'child' }), 'AlreadyExists', '"child"');
    const status = await rig.status();
    assert.equal(status.snapshots?.degraded, 1n);
    assert.match(status.problems.join(), /snapshot "child": its metadata record is corrupt/);
    const { stdout } = await runProgram(rig.node, ['status', '--address', rig.daemon.socket]);
    assert.match(stdout, /1 degraded/);
    assert.match(stdout, /problem {4}snapshot "child": .*, or remove it and pull the image again/);

    await rig.snapshots.Mounts({ key: 'other' });
    await rig.snapshots.Prepare({ key: 'another', parent: 'base' });
    await rig.snapshots.Remove({ key: 'child' });
    await rig.snapshots.Cleanup({});
    assert.deepEqual(await rig.keys(), ['another', 'base', 'other']);
    assert.equal(rig.names('snapshots').length, 3);
    await refused(rig.snapshots.Stat({ key: 'child' }), 'NotFound', '"child"');
    await rig.snapshots.Prepare({ key: 'child', parent: 'base' });
    assert.equal((await rig.status()).snapshots?.degraded, 0n);
  });

  it('a corrupt record of a parent is named from above, and goes when its children are gone', async () => {
    await using rig = await DaemonRig.up();
    await chain(rig);
    await rig.daemon.stop();
    removeCopies(rig);
    await tamper(rig, (db) => db.put('r:base', 'null'));
    await rig.daemon.start();
    await refused(rig.snapshots.Mounts({ key: 'child' }), 'DataLoss', '"base"');
    await refused(rig.snapshots.Prepare({ key: 'k', parent: 'base' }), 'DataLoss', '"base"');
    await refused(rig.snapshots.Remove({ key: 'base' }), 'FailedPrecondition', 'child');
    await rig.snapshots.Remove({ key: 'child' });
    await rig.snapshots.Remove({ key: 'base' });
    await rig.snapshots.Cleanup({});
    await rig.assertEmpty();
  });

  it('a record that is gone with its id is not taken for garbage of another', async () => {
    await using rig = await DaemonRig.up();
    await chain(rig);
    await rig.daemon.stop();
    removeCopies(rig);
    await tamper(rig, async (db) => {
      await db.put('r:child', 'broken');
      for await (const [key, value] of db.iterator({ gte: 'i:', lt: 'i;' })) {
        if (value === 'child') await db.del(key);
      }
    });
    await rig.daemon.start();
    assert.equal(rig.names('snapshots').length, 2);
    await rig.snapshots.Remove({ key: 'child' });
    await rig.snapshots.Cleanup({});
    assert.equal(rig.names('snapshots').length, 1);
  });

  it('a directory removed behind its back is named with the next step; removing works', async () => {
    await using rig = await DaemonRig.up();
    await chain(rig);
    for (const id of rig.names('snapshots'))
      rmSync(rig.node.hostPath(`${rig.daemon.root}/snapshots/${id}`), { recursive: true });
    const gone = ['is gone', `${rig.daemon.root}/snapshots/`, 'pull the image again'];
    await refused(rig.snapshots.Prepare({ key: 'k', parent: 'base' }), 'DataLoss', '"base"', ...gone);
    await refused(rig.snapshots.View({ key: 'k', parent: 'base' }), 'DataLoss', '"base"', ...gone);
    await refused(rig.snapshots.Mounts({ key: 'child' }), 'DataLoss', '"child"', ...gone);
    await refused(rig.snapshots.Commit({ key: 'child', name: 'c' }), 'DataLoss', '"child"', ...gone);
    await refused(rig.snapshots.Usage({ key: 'child' }), 'DataLoss', '"child"', ...gone);
    await rig.daemon.restart();
    assert.equal((await rig.status()).problems.length, 2);
    await rig.snapshots.Remove({ key: 'child' });
    await rig.snapshots.Remove({ key: 'base' });
    await rig.assertEmpty();
  });

  it('1,000 snapshots of which 20 are broken: the daemon starts, names these, and serves the others', async (t) => {
    await using rig = await DaemonRig.up({}, (node) =>
      writeBrokenRoot(node.hostPath(SNAPSHOTTER_ROOT), 1000, 20),
    );
    const { problems, snapshots } = await rig.status();
    assert.equal(problems.length, 20, problems.join('\n'));
    assert.equal(snapshots?.degraded, 10n);
    assert.equal((await rig.keys()).length, 990);
    await rig.snapshots.Prepare({ key: 'on-a-whole-chain', parent: 's19' });
    await refused(rig.snapshots.Prepare({ key: 'k', parent: 's9' }), 'DataLoss', '"s0"');
    await rig.snapshots.Cleanup({});
    assert.equal(rig.names('snapshots').length, 991);
    await rig.daemon.stop();
    const begin = performance.now();
    await rig.daemon.start();
    t.diagnostic(`started in ${(performance.now() - begin).toFixed(0)} ms`);
  });

  it('metadata files cut or filled with garbage do not keep it from starting', async () => {
    await using rig = await DaemonRig.up();
    await chain(rig);
    await rig.daemon.stop();
    const directory = rig.node.hostPath(`${rig.daemon.root}/metadata`);
    for (const name of readdirSync(directory).filter((file) => /MANIFEST|CURRENT/.test(file))) {
      writeFileSync(`${directory}/${name}`, 'garbage');
    }
    await rig.daemon.start();
    assert.match(await rig.daemon.logs(), /metadata is corrupt: repairing it/);
    assert.deepEqual(await rig.keys(), ['base', 'child']);
    await rig.snapshots.Mounts({ key: 'child' });
  });
});

describe('a full disk', { skip }, () => {
  const up = (options: string) =>
    DaemonRig.up({ root: '/full/root' }, (node) =>
      node.sh(`mkdir /full; mount -t tmpfs -o ${options} tmpfs /full`),
    );

  /** Fills up with what `make` makes until a call fails for lack of space; returns how many succeeded. */
  async function fill(rig: DaemonRig, make: (key: string) => Promise<unknown>): Promise<number> {
    for (let made = 0; ; made += 1) {
      try {
        await make(`k${made}`);
      } catch (error) {
        await refused(
          Promise.reject(error),
          'ResourceExhausted',
          /(ENOSPC|no space left).*; free space .*try again/i,
          '/full/root',
        );
        assert.equal((await rig.keys()).length, made);
        await rig.snapshots.Cleanup({});
        assert.equal(rig.names('snapshots').length, made);
        return made;
      }
    }
  }

  it('fails Prepare for lack of inodes, leaves nothing half, and works again without a restart', async () => {
    await using rig = await up('size=64m,nr_inodes=60');
    assert.ok((await fill(rig, (key) => rig.snapshots.Prepare({ key }))) > 3);
    await rig.snapshots.Remove({ key: 'k0' });
    await rig.snapshots.Remove({ key: 'k1' });
    await rig.snapshots.Cleanup({});
    await rig.snapshots.Prepare({ key: 'again' });
  });

  it('fails every change for lack of blocks, and works again without a restart', async () => {
    await using rig = await up('size=4m');
    const labels = { long: 'x'.repeat(20_000) };
    await fill(rig, (key) => rig.snapshots.Prepare({ key, labels }));
    await rig.node.sh('dd if=/dev/zero of=/full/ballast bs=4k 2>/dev/null || true');
    await refused(rig.snapshots.Commit({ key: 'k0', name: 'c', labels }), 'ResourceExhausted', '/full/root');
    await refused(rig.snapshots.Update({ info: { name: 'k1', labels } }), 'ResourceExhausted', '/full/root');
    assert.equal((await rig.snapshots.Stat({ key: 'k0' })).info?.kind, 'ACTIVE');
    await rig.node.sh('rm /full/ballast; mount -o remount,size=64m /full');
    await rig.snapshots.Commit({ key: 'k0', name: 'c', labels });
    await rig.snapshots.Prepare({ key: 'again', parent: 'c', labels });
    const before = await rig.keys();
    await rig.daemon.kill9();
    await rig.daemon.start();
    assert.deepEqual(await rig.keys(), before);
    assert.deepEqual((await rig.status()).problems, []);
  });
});

describe('a host that lacks what is needed', { skip }, () => {
  it('without nix-store ordinary images work and a Nix layer says what to install', async () => {
    await using rig = await DaemonRig.up({}, (node) => node.sh('rm /usr/bin/nix /usr/bin/nix-*'));
    await chain(rig);
    const labels = { [CLOSURE_ANNOTATION]: `/nix/store/${'a'.repeat(32)}-info` };
    const told = ['nix-store', 'not found in PATH', 'install Nix on this host'];
    await refused(rig.snapshots.Prepare({ key: 'nix', labels }), 'FailedPrecondition', ...told);
    assert.deepEqual(await rig.keys(), ['base', 'child']);
    assert.equal(rig.names('snapshots').length, 2);
    assert.deepEqual(rig.names('gcroots'), []);
  });

  it('on a root that cannot be written says so in one line and exits 1', async () => {
    await using rig = await DaemonRig.up();
    const { node } = rig;
    await node.sh('mkdir /read-only; mount -t tmpfs -o ro tmpfs /read-only; echo > /tmp/file');
    for (const root of ['/read-only', '/read-only/deep/root', '/proc/root', '/tmp/file', '/tmp/file/root']) {
      const { exitCode, stderr } = await runProgram(node, ['--root', root, '--address', '/tmp/other.sock']);
      assert.equal(exitCode, 1, stderr);
      assert.match(
        stderr,
        new RegExp(`^nix-snapshotter: root ${root} cannot be used: E\\w+.*choose another --root$`),
      );
    }
  });

  it('a second daemon on the same root, or the same socket, is told so', async () => {
    await using rig = await DaemonRig.up();
    const { node } = rig;
    const sameRoot = await runProgram(node, ['--root', SNAPSHOTTER_ROOT, '--address', '/tmp/other.sock']);
    assert.equal(sameRoot.exitCode, 1);
    assert.match(
      sameRoot.stderr,
      /^nix-snapshotter: metadata \/var\/lib\/nix-snapshotter\/metadata is in use: another nix-snapshotter runs on this root; stop it or choose another --root$/,
    );
    const sameSocket = await runProgram(node, ['--root', '/tmp/other-root', '--address', SNAPSHOTTER_SOCKET]);
    assert.equal(sameSocket.exitCode, 1);
    assert.match(
      sameSocket.stderr,
      /^nix-snapshotter: another daemon is listening on \S+nix-snapshotter\.sock: stop it or choose another --address$/,
    );
    await chain(rig);
    assert.equal(readFileSync(rig.daemon.process.logFile, 'utf8').includes('"level":50'), false);
  });
});
