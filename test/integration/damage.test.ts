import assert from 'node:assert/strict';
import { readdirSync, rmSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { sandboxUnavailable } from '../sandbox/available.ts';
import { skipWithout } from '../sandbox/components.ts';
import { inside } from '../sandbox/layout.ts';
import type { ExecResult } from '../sandbox/sandbox.ts';
import { assertConsistent, collectGarbage } from './crash/invariants.ts';
import { IMAGES, World } from './crash/world.ts';
import { eventually } from './support/rig.ts';

const skip = sandboxUnavailable() ?? (await skipWithout('debian-trixie'));

const [ORDINARY, OTHER, NIX] = IMAGES;
const NOTHING = { snapshots: new Map(), images: new Set<string>(), containers: new Map() };
const PROGRAM = `${inside.project}/dist/nix-snapshotter.mjs`;

describe('damaged state under containerd, beside a container that runs', { skip }, () => {
  let world: World;
  before(async () => {
    world = await World.up();
    for (const image of [ORDINARY, NIX]) await load(image);
  });
  after(() => world[Symbol.asyncDispose]());

  const load = (image: string) => world.ctr('image', 'import', '--snapshotter', 'nix', world.archive(image));
  const run = (image: string) =>
    world.ctr('run', '--rm', '--snapshotter', 'nix', image, 'once', 'sh', '-c', 'test -e /bin/busybox');
  const greet = () =>
    world.ctr(
      'run',
      '--rm',
      '--snapshotter',
      'nix',
      NIX,
      'once',
      'sh',
      '-c',
      'test -e /nix/store/*greeter*/bin',
    );
  const path = (name: string) => world.node.hostPath(`${world.snapshotter.root}/${name}`);
  const status = () => world.direct(({ status: service }) => service.Status({}));
  const doctor = async (...flags: readonly string[]): Promise<ExecResult> =>
    world.node.exec(['node', PROGRAM, 'doctor', '--repair', '--root', world.snapshotter.root, ...flags], {
      reject: false,
    });
  const whole = async () => {
    assert.deepEqual((await status()).problems, []);
    await collectGarbage(world);
    await eventually(() => assertConsistent(world, NOTHING));
    await world.assertTicking();
  };

  it('metadata that is lost is made again from its copies, and nobody notices', async () => {
    await world.snapshotter.kill9();
    rmSync(path('metadata'), { recursive: true });
    await world.snapshotter.start();
    assert.match((await status()).repairs.join(), /was lost; \d+ snapshots were made known again/);
    assert.match(await world.snapshotter.logs(), /was lost; \d+ snapshots were made known again/);
    await world.assertTicking();
    await world.retry(async () => void (await run(NIX)));
    await whole();
  });

  it('views that are gone after a start of the host are made and mounted again', async () => {
    await world.snapshotter.stop();
    await world.node.sh(`
      cut -d ' ' -f 5 /proc/self/mountinfo | grep '^${world.snapshotter.root}/views/' | xargs -n 1 umount -l
      : what was not synced of the metadata is not there, of all but the view of the container that runs
      rm -r ${world.snapshotter.root}/views/*/*/root/nix/store/*greeter*
      echo another > /run/boot-id; mount --bind /run/boot-id /proc/sys/kernel/random/boot_id`);
    await world.snapshotter.start();
    await eventually(async () =>
      assert.match((await status()).repairs.join(), /views were not mounted, as after a start of the host/),
    );
    await world.retry(async () => void (await greet()));
    await whole();
  });

  it('a directory of a layer that is gone breaks that image alone, until doctor --repair', async () => {
    await load(OTHER);
    const loaded = readdirSync(path('snapshots')).length;
    await world.ctr('image', 'rm', '--sync', OTHER);
    await eventually(async () => assert.ok(readdirSync(path('snapshots')).length < loaded));
    const healthy = new Set(readdirSync(path('snapshots')));
    await load(OTHER);
    for (const id of readdirSync(path('snapshots')).filter((name) => !healthy.has(name))) {
      rmSync(path(`snapshots/${id}`), { recursive: true });
    }
    await world.node.sh(`mkdir ${world.snapshotter.root}/snapshots/of-somebody-else`);
    await world.snapshotter.restart();
    assert.match(
      (await status()).problems.join(),
      /its directory \S+ is gone; run "nix-snapshotter doctor --repair"/,
    );
    await world.retry(async () => void (await run(ORDINARY)));
    await assert.rejects(run(OTHER), /is gone/);

    const plan = await doctor('--dry-run');
    assert.match(
      plan.stdout,
      /^would {6}have containerd forget snapshot "sha256:\w+" of namespace default$/m,
    );
    assert.match(plan.stdout, /^pull again default: localhost\/ordinary:2$/m);
    await assert.rejects(run(OTHER), /is gone/);
    const done = await doctor();
    assert.equal(done.exitCode, 0, done.stdout + done.stderr);
    assert.match(done.stdout, /^done {7}have containerd forget snapshot/m);
    assert.deepEqual((await doctor()).stdout, 'nothing to repair');
    await run(OTHER);
    await world.node.sh(`rmdir ${world.snapshotter.root}/snapshots/of-somebody-else`);
    await whole();
  });

  it('metadata lost with its copies: what runs goes on, and doctor --repair makes the rest work', async () => {
    await world.snapshotter.kill9();
    rmSync(path('metadata'), { recursive: true });
    for (const id of readdirSync(path('snapshots'))) rmSync(path(`snapshots/${id}/record`));
    await world.snapshotter.start();
    assert.match((await status()).problems.join(), /belong to no snapshot that is known/);
    await world.assertTicking();
    await world.retry(async () => {
      await assert.rejects(run(NIX), /not found|does not exist/);
    });

    await world.snapshotter.stop();
    const elsewhere = await world.node.exec(['node', PROGRAM, 'doctor', '--repair'], { reject: false });
    assert.match(elsewhere.stderr, /there is no metadata in \S+: start the daemon.*--root/);
    const first = await doctor();
    assert.equal(first.exitCode, 1, first.stdout + first.stderr);
    assert.match(
      first.stdout,
      /^left {7}\d+ directories of no known snapshot are used by containers that run/m,
    );
    assert.match(first.stdout, /^pull again default: localhost\/nix:1$/m);
    await world.snapshotter.start();
    await world.assertTicking();
    await world.retry(async () => void (await run(NIX)));
    await run(ORDINARY);
    await world.assertTicking();

    await world.stopTicker();
    const second = await doctor();
    assert.equal(second.exitCode, 0, second.stdout + second.stderr);
    assert.deepEqual((await status()).problems, []);
    await collectGarbage(world);
    await eventually(() => assertConsistent(world, NOTHING));
  });
});
