import assert from 'node:assert/strict';
import { basename } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { configureNix } from '../../fixtures/nix-config.ts';
import { type Footprint, footprint } from '../support/footprint.ts';
import { startGarbageCollector } from '../support/garbage-collector.ts';
import { forget, type GreeterClosure, GREETING, greeterClosure, ownImage } from '../support/greeter.ts';
import type { AvailableRow } from '../support/matrix.ts';
import { printed } from '../support/printed.ts';
import { HOSTS_DIR, RESOLVER_CONFIG, useResolver } from '../support/resolver-hosts.ts';
import { eventually, Rig } from '../support/rig.ts';
import { imagesForWorkers, pullRunRemove } from './cycles.ts';
import { daemonStatus } from './status.ts';

const COLLECT = ['nix-collect-garbage', '-d'];

/** Nix's garbage collector at any time: what is needed stays or comes back, and in the end nothing is left. */
export function garbageSuite(row: AvailableRow, cycles: number): void {
  describe(`garbage collection at any time, on containerd ${row.title}`, { skip: row.skip }, () => {
    let rig: Rig;
    let made: GreeterClosure;
    let subjects: Awaited<ReturnType<typeof imagesForWorkers>>;
    let bare: Footprint;
    /** A plain store path with a shell. */
    let image: string;

    before(async () => {
      rig = await Rig.up({ row, config: configWith('0s') });
      // A cache that is offline is not asked again for ten seconds.
      await configureNix(rig.node, { substituters: [rig.cache], lines: ['download-attempts = 1'] });
      await useResolver(rig);
      made = await greeterClosure(rig);
      subjects = await imagesForWorkers(rig, made);
      image = `nix:0${made.greeter}`;
      await rig.node.exec(['cp', await ownImage(rig, made, 'localhost/archived:1'), '/tmp/archived.tar']);
      await forget(rig, made);
      bare = await footprint(rig);
    });
    after(async () => await rig.down());

    const nerdctl = async (...args: readonly string[]) =>
      await rig.containerd.nerdctl(['--hosts-dir', HOSTS_DIR, '--snapshotter', 'nix', ...args]);
    const greet = async () =>
      await printed(async () => await nerdctl('run', '--rm', '--quiet', '--net', 'none', image));
    const removeImage = async () => {
      await nerdctl('rmi', '--force', image);
      await eventually(async () => assert.deepEqual((await footprint(rig)).snapshots, bare.snapshots));
    };
    /** Which of the closure of greeter are valid. */
    const valid = async () => {
      const check = ['nix-store', '--check-validity', '--print-invalid', made.greeter, made.busybox];
      const invalid = (await rig.node.exec(check)).stdout.split('\n');
      return [made.greeter, made.busybox].filter((path) => !invalid.includes(path));
    };
    const nothingIsLeft = async () => {
      await eventually(async () => assert.deepEqual(await footprint(rig), bare));
      assert.equal((await daemonStatus(rig)).retired_gc_roots, 0);
      await rig.node.exec(COLLECT);
      assert.deepEqual(await valid(), []);
    };
    const offline = async (): Promise<AsyncDisposable> => {
      await rig.cache.setFaults([{ match: '/', cut: true }]);
      return { [Symbol.asyncDispose]: async () => await rig.cache.setFaults([]) };
    };

    it('beside pulls, runs and removals: no failure, and nothing is left', async (t) => {
      let done;
      {
        await using collector = await startGarbageCollector(rig.node, COLLECT.join(' '));
        assert.deepEqual(await pullRunRemove(rig, subjects, cycles), []);
        await collector.nextRun();
        done = await collector.done();
      }
      t.diagnostic(
        `${cycles} cycles by ${subjects.length} workers; ${done.runs} collections deleted ${done.deleted} store paths`,
      );
      assert.ok(done.deleted > 0, 'the collector has had nothing to delete');
      await nothingIsLeft();
    });

    it('between a container that was removed and what replaces it: it starts, with the cache offline', async () => {
      await rig.configure(configWith('1h'));
      assert.equal(await greet(), GREETING);
      await removeImage();
      const kept = (await footprint(rig)).roots;
      assert.equal(kept.length, 1);
      assert.equal((await daemonStatus(rig)).retired_gc_roots, 1);
      await rig.snapshotter.kill9();
      await rig.snapshotter.start();
      {
        await using _ = await offline();
        await rig.node.exec(COLLECT);
        assert.deepEqual(await valid(), [made.greeter, made.busybox]);
        await eventually(async () => assert.equal(await greet(), GREETING));
      }
      await removeImage();
      assert.equal((await daemonStatus(rig)).retired_gc_roots, 1, 'one root keeps the closure');
      assert.notDeepEqual((await footprint(rig)).roots, kept, 'the one that was used last');
      await rig.configure(configWith('1ms'));
      await nothingIsLeft();
    });

    it('keeps an archive that an image in use was read from, so that it is pulled again with the cache offline', async () => {
      await rig.configure(configWith('1s'));
      const archive = (await rig.node.exec(['nix-store', '--add', '/tmp/archived.tar'])).stdout;
      const archived = `nix:0${archive}`;
      const usedAt = async () =>
        (await rig.node.exec(['stat', '-c', '%Y', `${rig.snapshotter.root}/pulled/${basename(archive)}`]))
          .stdout;
      await nerdctl('pull', '--quiet', archived);
      const pulledAt = await usedAt();
      await eventually(async () => assert.notEqual(await usedAt(), pulledAt));
      await rig.node.exec(COLLECT);
      {
        await using _ = await offline();
        await nerdctl('pull', '--quiet', archived);
      }
      await nerdctl('rmi', '--force', archived);
      await nothingIsLeft();
      // The daemon has had it open for a minute, which Nix takes for a root.
      await rig.restartSnapshotter();
      await rig.node.exec(COLLECT);
      assert.equal((await rig.node.exec(['test', '-e', archive], { reject: false })).exitCode, 1);
    });

    it('keeps nothing after its last use where the file system of the store is short of space', async () => {
      await rig.configure(`${RESOLVER_CONFIG}[gc]\ngrace = "1h"\nmin_free_percent = 100\n`);
      assert.equal(await greet(), GREETING);
      await removeImage();
      await eventually(async () => assert.deepEqual((await footprint(rig)).roots, []));
      await rig.configure(configWith('0s'));
      await nothingIsLeft();
    });

    for (const view of ['overlay', 'binds', 'store']) {
      it(`paths that are gone under a stopped container, view "${view}": they come back, or the error names them`, async () => {
        await rig.configure(`view = "${view}"\n${configWith('0s')}`);
        await pathsVanish(`stopped-${view}`);
        await nothingIsLeft();
      });
    }

    async function pathsVanish(name: string): Promise<void> {
      const linksByHand = async () =>
        await rig.node.sh(`rm -f ${rig.snapshotter.root}/gcroots/* ${rig.snapshotter.root}/pulled/*`);
      const roots = async () => (await footprint(rig)).roots.length;
      const sleep = ['--entrypoint', `${made.busybox}/bin/sleep`, image, '1000'];
      await nerdctl('run', '--detach', '--quiet', '--net', 'none', '--name', name, ...sleep);
      const stop = async () => await nerdctl('stop', '--time', '0', name);
      const assertGreets = async () => {
        const exec = ['exec', name, `${made.greeter}/bin/greet`];
        assert.equal(await printed(async () => await nerdctl(...exec)), GREETING);
      };
      const assertRefused = async (...parts: readonly string[]) => {
        const id = (await nerdctl('inspect', '--format', '{{.ID}}', name)).stdout;
        const starts = {
          nerdctl: rig.containerd.nerdctl(['start', name], { reject: false }),
          ctr: rig.containerd.ctr(['task', 'start', '--detach', id], { reject: false }),
        };
        for (const [client, start] of Object.entries(starts)) {
          const { exitCode, stderr } = await start;
          assert.notEqual(exitCode, 0, client);
          for (const part of parts) assert.ok(stderr.includes(part), `${client}: no ${part} in ${stderr}`);
        }
      };

      await linksByHand();
      await nerdctl('run', '--rm', '--quiet', '--net', 'none', image);
      assert.equal(await roots(), 1, 'Prepare makes a root again that somebody removed');
      await stop();
      await linksByHand();
      await nerdctl('start', name);
      assert.equal(await roots(), 1, 'Mounts makes a root again that somebody removed');

      await stop();
      await linksByHand();
      await rig.node.exec(COLLECT);
      assert.deepEqual(await valid(), []);
      {
        await using _ = await offline();
        await assertRefused(made.busybox, `the cache ${rig.cache.url} is down or fails`, 'start it or mend');
      }
      await nerdctl('start', name);
      await assertGreets();

      await stop();
      await rig.node.exec(['rm', '-r', made.greeter]);
      await assertRefused(made.greeter, 'nix-store --verify --repair');
      await rig.node.exec(['nix-store', '--verify', '--repair']);
      await nerdctl('start', name);
      await assertGreets();
      await nerdctl('rm', '--force', name);
      await removeImage();
    }
  });
}

/** Of the daemon; however full this machine's disk is. */
function configWith(grace: string): string {
  return `${RESOLVER_CONFIG}[gc]\ngrace = "${grace}"\nmin_free_percent = 0\n`;
}
