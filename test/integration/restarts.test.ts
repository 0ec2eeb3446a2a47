import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { messageOf, StatusError } from '../../src/errors.ts';
import { sandboxUnavailable } from '../sandbox/available.ts';
import { skipWithout } from '../sandbox/components.ts';
import { assertConsistent, collectGarbage } from './crash/invariants.ts';
import { forget } from './crash/operations.ts';
import { IMAGES, World } from './crash/world.ts';
import { eventually } from './support/rig.ts';

const skip = sandboxUnavailable() ?? (await skipWithout('debian-trixie'));

const NIX = IMAGES[2];
const NOTHING = { snapshots: new Map(), images: new Set<string>(), containers: new Map() };
const KEPT = { 'containerd.io/gc.root': 'yes' };

/** What ctr says when containerd, or the daemon behind it, is not there. */
const AWAY =
  /unavailable|error reading from server|connection error|transport is closing|failed to dial|connection refused|EOF/i;

/** Makes and removes snapshots through containerd until it is told to stop; each call that finds nobody is made again. */
class SnapshotWorker {
  readonly #world: World;
  #stopped = false;
  readonly #ended: Promise<void>;
  rounds = 0;
  retries = 0;

  constructor(name: string, world: World) {
    this.#world = world;
    this.#ended = this.#work(name);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#ended;
  }

  async #work(name: string): Promise<void> {
    const { snapshots } = this.#world;
    while (!this.#stopped) {
      this.rounds += 1;
      const key = `${name}-${this.rounds}`;
      await this.#retried(
        () => snapshots.Prepare({ snapshotter: 'nix', key, labels: KEPT }),
        'AlreadyExists',
      );
      await this.#retried(() => snapshots.Mounts({ snapshotter: 'nix', key }));
      await this.#retried(() => snapshots.Remove({ snapshotter: 'nix', key }), 'NotFound');
    }
  }

  /** @param done what an answer that was lost says the second time. */
  async #retried(call: () => Promise<unknown>, done?: StatusError['code']): Promise<void> {
    await eventually(async () => {
      try {
        await call();
      } catch (error) {
        if (error instanceof StatusError && error.code === done) return;
        this.retries += 1;
        assert.ok(
          error instanceof StatusError && (error.code === 'Unavailable' || AWAY.test(error.message)),
          messageOf(error),
        );
        throw error;
      }
    }, 60_000);
  }
}

/** Runs containers one after the other until it is told to stop; one whose run finds nobody is taken away and run again. */
class ContainerWorker {
  readonly #world: World;
  #stopped = false;
  readonly #ended: Promise<void>;
  runs = 0;
  retries = 0;

  constructor(world: World) {
    this.#world = world;
    this.#ended = this.#work();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#ended;
  }

  async #work(): Promise<void> {
    while (!this.#stopped) {
      this.runs += 1;
      const id = `run-${this.runs}`;
      await eventually(async () => {
        try {
          await this.#world.ctr('run', '--rm', '--snapshotter', 'nix', NIX, id, 'test', '-e', '/bin/busybox');
        } catch (error) {
          this.retries += 1;
          assert.match(messageOf(error), AWAY);
          await eventually(() => forget(this.#world, id), 60_000);
          throw error;
        }
      }, 60_000);
    }
  }
}

describe('restarts of containerd and of the daemon under load', { skip }, () => {
  it('in either order: calls meanwhile are Unavailable, retries succeed, and what runs goes on', async (t) => {
    await using world = await World.up();
    const { containerd, snapshotter } = world;
    await world.ctr('image', 'import', '--snapshotter', 'nix', world.archive(NIX));
    const containers = new ContainerWorker(world);
    const workers = [new SnapshotWorker('one', world), new SnapshotWorker('other', world)];
    const settle = async () => {
      const [runs, rounds] = [containers.runs, workers.map((worker) => worker.rounds)];
      await eventually(() => {
        assert.ok(containers.runs > runs + 1);
        workers.forEach((worker, index) => assert.ok(worker.rounds > (rounds[index] ?? 0) + 1));
        return Promise.resolve();
      }, 60_000);
    };
    await settle();
    const restarts: readonly (readonly [string, () => Promise<void>])[] = [
      ['daemon', () => snapshotter.restart()],
      ['containerd', () => containerd.restart()],
      [
        'daemon, then containerd',
        async () => {
          await snapshotter.restart();
          await containerd.restart();
        },
      ],
      [
        'containerd, then daemon',
        async () => {
          await containerd.restart();
          await snapshotter.restart();
        },
      ],
      [
        'both killed, daemon first',
        async () => {
          await Promise.all([snapshotter.kill9(), containerd.kill9()]);
          await snapshotter.start();
          await containerd.start();
        },
      ],
      [
        'both killed, containerd first',
        async () => {
          await Promise.all([snapshotter.kill9(), containerd.kill9()]);
          await containerd.start();
          await snapshotter.start();
        },
      ],
    ];
    for (const [what, restart] of restarts) {
      await restart();
      await settle();
      t.diagnostic(`${what}: ${containers.runs} containers were run, ${containers.retries} again`);
    }
    await Promise.all([containers.stop(), ...workers.map((worker) => worker.stop())]);
    await world.assertTicking();
    await collectGarbage(world);
    await eventually(() => assertConsistent(world, NOTHING));
  });
});
