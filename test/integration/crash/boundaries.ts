import assert from 'node:assert/strict';
import { it } from 'node:test';
import { messageOf } from '../../../src/errors.ts';
import { KEEP_NOTHING } from '../../sandbox/snapshotter.ts';
import { eventually } from '../support/rig.ts';
import {
  BOUNDARY_OPERATIONS,
  type BoundaryOperation,
  type Ground,
  layGround,
} from './boundary-operations.ts';
import { ALL_BOUNDARIES, Faults, faultyDaemon } from './faults.ts';
import { assertConsistent, collectGarbage, mountTable, viewsOnDisk } from './invariants.ts';
import type { Crossing } from './orders.ts';
import { World } from './world.ts';

/** A kill that is to be: at which boundary of which operation. */
interface Kill {
  readonly operation: BoundaryOperation;
  readonly crossing: Crossing;
}

const CONFIG = '/etc/nix-snapshotter/config.toml';
const NOTHING = { snapshots: new Map(), images: new Set<string>(), containers: new Map() };

/**
 * Kills the daemon at the boundaries of every operation's steps. The boundaries are those that an undisturbed run crosses.
 *
 * @param choose which of all that were found are tried.
 */
export function describeBoundaries(choose: (kills: readonly Kill[]) => readonly Kill[]): void {
  it('at every step boundary loses nothing, leaves nothing, and no container notices', async (t) => {
    await using world = await World.up(faultyDaemon);
    const ground = await layGround(world);
    const run = new BoundaryRun(world, ground);
    await collectGarbage(world);
    const [views, mounts] = [viewsOnDisk(world), await mountTable(world)];

    const kills: Kill[] = [];
    for (const operation of BOUNDARY_OPERATIONS) {
      for (const crossing of await run.record(operation)) kills.push({ operation, crossing });
    }
    const found = new Set(kills.map(({ crossing }) => crossing.line));
    assert.deepEqual(
      ALL_BOUNDARIES.filter((line) => !found.has(line)),
      [],
      'no operation crosses these',
    );
    const chosen = choose(kills);
    t.diagnostic(
      `${ALL_BOUNDARIES.length} boundaries in the step table, crossed ${kills.length} times by ` +
        `${BOUNDARY_OPERATIONS.length} operations; killed at ${chosen.length}`,
    );
    const hit = new Set<string>();
    for (const [operation, of] of Map.groupBy(chosen, (kill) => kill.operation)) {
      for (const { crossing } of of) {
        await run.kill(operation, crossing);
        hit.add(crossing.line);
      }
      await world.assertTicking();
      await eventually(async () => {
        assert.deepEqual(viewsOnDisk(world), views, operation.name);
        assert.deepEqual(await mountTable(world), mounts, operation.name);
      });
    }
    assert.deepEqual(
      ALL_BOUNDARIES.filter((line) => !hit.has(line)),
      [],
      'the daemon was killed at none of these',
    );
  });
}

class BoundaryRun {
  readonly #world: World;
  readonly #ground: Ground;
  readonly #faults: Faults;
  #config: string = KEEP_NOTHING;
  #runs = 0;

  constructor(world: World, ground: Ground) {
    this.#world = world;
    this.#ground = ground;
    this.#faults = new Faults(world.node);
  }

  /** Does an operation undisturbed and says what it crossed. */
  async record(operation: BoundaryOperation): Promise<readonly Crossing[]> {
    const id = await this.#begin(operation);
    const { fail } = operation;
    this.#faults.order(fail === undefined ? {} : { fail });
    const work = operation.work(this.#world, this.#ground, id);
    if (fail === undefined) await work;
    else await assert.rejects(work, /fails as it was told to/);
    const crossings = await this.#faults.crossings();
    this.#faults.order({});
    await this.#end(operation, id);
    return crossings;
  }

  /** Does an operation, kills the daemon on the way, starts it again and does it once more. */
  async kill(operation: BoundaryOperation, kill: Crossing): Promise<void> {
    const where = `${operation.name}, killed ${kill.line} (${kill.time})`;
    const world = this.#world;
    try {
      const id = await this.#begin(operation);
      this.#faults.order({ kill, ...(operation.fail === undefined ? {} : { fail: operation.fail }) });
      const outcome = operation.work(world, this.#ground, id).catch((error: unknown) => error);
      const counted = await world.counted();
      assert.deepEqual(await world.snapshotter.process.ended, { code: null, signal: 'SIGKILL' });
      const error = await outcome;
      assert.ok(error === undefined || world.isDaemonDown(error), messageOf(error));
      assert.ok((await world.counted()) >= counted);
      this.#faults.order({});
      await world.snapshotter.start();
      await world.retry(() => operation.work(world, this.#ground, id));
      // A root that Nix still makes when its snapshot goes is kept for a while.
      await this.#faults.crossings();
      await this.#end(operation, id);
    } catch (error) {
      throw new Error(where, { cause: error });
    }
  }

  async #begin(operation: BoundaryOperation): Promise<string> {
    const config = `${operation.config ?? ''}${KEEP_NOTHING}`;
    const world = this.#world;
    if (config !== this.#config) {
      await world.node.writeFile(CONFIG, config);
      await world.snapshotter.restart();
      this.#config = config;
    }
    this.#runs += 1;
    const id = `op-${this.#runs}`;
    await world.retry(async () => await operation.before?.(world, this.#ground, id));
    return id;
  }

  /** Nothing may be left of what was disturbed, nor of the operation once it was taken back. */
  async #end(operation: BoundaryOperation, id: string): Promise<void> {
    const world = this.#world;
    await operation.undo(world, id, this.#ground);
    await collectGarbage(world);
    await eventually(() => assertConsistent(world, NOTHING));
  }
}
