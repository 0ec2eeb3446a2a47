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
import type { Sandbox } from '../../sandbox/sandbox.ts';
import type { Crossing } from './orders.ts';
import { World } from './world.ts';

/** A kill that is to be: at which boundary of which operation. */
interface Kill {
  readonly operation: BoundaryOperation;
  readonly crossing: Crossing;
}

const CONFIG = '/etc/nix-snapshotter/config.toml';
const NOTHING = { snapshots: new Map(), images: new Set<string>(), containers: new Map() };

/** What becomes of the host when the daemon dies. */
export interface Disaster {
  readonly name: string;
  /** Before the daemon is started for the first time. */
  readonly prepare?: (node: Sandbox) => Promise<void>;
  /** While the daemon is dead. */
  readonly strike: (world: World) => Promise<void>;
  /** Tables of the daemon's configuration file. */
  readonly config?: string;
  /** Whether containers outlive it. */
  readonly containersLive: boolean;
}

export interface Choice {
  readonly operations?: readonly string[];
  readonly choose?: (kills: readonly Kill[]) => readonly Kill[];
}

/** The daemon dies, and nothing else. */
export const KILL: Disaster = {
  name: 'kill -9 of the daemon',
  strike: () => Promise.resolve(),
  containersLive: true,
};

/**
 * Has a disaster strike at the boundaries of every operation's steps. The boundaries are those that an undisturbed run crosses.
 *
 * @param options.operations names of those that are tried, all unless told; of all, each boundary of the step table must be crossed.
 * @param options.choose which of the boundaries that these cross are tried, all unless told.
 */
export function describeBoundaries(disaster: Disaster, options: Choice = {}): void {
  const { choose = (kills) => kills } = options;
  const operations = BOUNDARY_OPERATIONS.filter(({ name }) => options.operations?.includes(name) ?? true);
  it(`${disaster.name} at every step boundary loses nothing, leaves nothing, and no container notices`, async (t) => {
    await using world = await World.up(async (node) => {
      await disaster.prepare?.(node);
      return await faultyDaemon(node);
    });
    const ground = await layGround(world);
    if (!disaster.containersLive) await world.stopTicker();
    const run = new BoundaryRun(disaster, { world, ground });
    await collectGarbage(world);
    const [views, mounts] = [new Set(viewsOnDisk(world)), new Set(await mountTable(world))];

    const kills: Kill[] = [];
    for (const operation of operations) {
      for (const crossing of await run.record(operation)) kills.push({ operation, crossing });
    }
    assert.equal(operations.length, options.operations?.length ?? BOUNDARY_OPERATIONS.length);
    if (options.operations === undefined) assert.deepEqual(notIn(kills), [], 'no operation crosses these');
    const chosen = choose(kills);
    t.diagnostic(
      `${ALL_BOUNDARIES.length} boundaries in the step table, crossed ${kills.length} times by ` +
        `${operations.length} operations; struck at ${chosen.length}`,
    );
    const hit: Kill[] = [];
    for (const [operation, of] of Map.groupBy(chosen, (kill) => kill.operation)) {
      for (const kill of of) {
        await run.kill(operation, kill.crossing);
        hit.push(kill);
      }
      if (disaster.containersLive) {
        await world.assertTicking();
      } else {
        // What was torn may look whole to the run that found it.
        await world.snapshotter.restart();
        await run.record(operation);
      }
      await eventually(async () => {
        const left = [...viewsOnDisk(world)].filter((view) => !views.has(view));
        const mounted = (await mountTable(world)).filter((mount) => !mounts.has(mount));
        assert.deepEqual({ left, mounted }, { left: [], mounted: [] }, operation.name);
        const ofViews = (await mountTable(world)).filter((mount) => mount.endsWith('/view'));
        assert.equal(new Set(ofViews).size, ofViews.length, `mounted twice: ${ofViews.join(' ')}`);
        if (disaster.containersLive) assert.equal((await mountTable(world)).length, mounts.size);
      });
    }
    assert.deepEqual(notIn(hit), notIn(chosen), 'it struck at none of these');
  });
}

/** Of kills in the order of their operations, those at a boundary that comes after another one than in all operations before. */
export function eachTransition(kills: readonly Kill[]): readonly Kill[] {
  const seen = new Set<string>();
  return kills.filter(({ operation, crossing }, index) => {
    const before = kills[index - 1];
    const from = before?.operation === operation ? before.crossing.line : 'begin';
    const transition = `${from} → ${crossing.line}`;
    return !seen.has(transition) && seen.add(transition);
  });
}

/** The boundaries of the step table that are not among some. */
function notIn(kills: readonly Kill[]): readonly string[] {
  const lines = new Set(kills.map(({ crossing }) => crossing.line));
  return ALL_BOUNDARIES.filter((line) => !lines.has(line));
}

class BoundaryRun {
  readonly #disaster: Disaster;
  readonly #world: World;
  readonly #ground: Ground;
  readonly #faults: Faults;
  #config: string = KEEP_NOTHING;
  #runs = 0;

  constructor(disaster: Disaster, { world, ground }: { readonly world: World; readonly ground: Ground }) {
    this.#disaster = disaster;
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
      const counted = await this.#counted();
      assert.deepEqual(await world.snapshotter.process.ended, { code: null, signal: 'SIGKILL' });
      const error = await outcome;
      assert.ok(error === undefined || world.isDaemonDown(error), messageOf(error));
      assert.ok((await this.#counted()) >= counted);
      await this.#disaster.strike(world);
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

  async #counted(): Promise<number> {
    return this.#disaster.containersLive ? await this.#world.counted() : 0;
  }

  async #begin(operation: BoundaryOperation): Promise<string> {
    const config = `${operation.config ?? ''}${KEEP_NOTHING}${this.#disaster.config ?? ''}`;
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
