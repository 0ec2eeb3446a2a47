import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  assertConsistent,
  assertContent,
  collectGarbage,
  mountTable,
  removeAll,
  viewsOnDisk,
} from './crash/invariants.ts';
import { chooseOperation, type Model } from './crash/operations.ts';
import { Random } from './crash/random.ts';
import { World } from './crash/world.ts';
import { eventually } from './support/rig.ts';
import { sandboxUnavailable } from '../sandbox/available.ts';
import { skipWithout } from '../sandbox/components.ts';

const OPERATIONS = Number(process.env['CRASH_OPERATIONS'] ?? 200);
const KILLED = 0.25;

const skip = sandboxUnavailable() ?? (await skipWithout('debian-trixie'));

describe('kill -9 of the daemon under containerd', { skip }, () => {
  it('loses nothing, leaves nothing, and no container notices', async (t) => {
    const random = Random.fromEnvironment('CRASH_SEED');
    t.diagnostic(`CRASH_SEED=${random.seed} CRASH_OPERATIONS=${OPERATIONS}`);
    await using world = await World.up();
    // Of the image of the container that runs all the time.
    const views = viewsOnDisk(world);
    const mounts = await mountTable(world);
    const model: Model = { snapshots: new Map(), images: new Set(), containers: new Map() };
    let failed = 0;
    for (let number = 1; number <= OPERATIONS; number += 1) {
      const operation = chooseOperation(world, model, random, number);
      const where = `operation ${number} (${operation.name}), CRASH_SEED=${random.seed}`;
      const killAfter = random.next() < KILLED ? random.next() * operation.span : undefined;
      try {
        const error =
          killAfter === undefined
            ? await world.retry(operation.work)
            : await world.whileKilled(operation.work, killAfter);
        if (error !== undefined) {
          failed += 1;
          await world.retry(operation.work);
        }
      } catch (error) {
        throw new Error(`${where}, killed after ${killAfter ?? 'no'} ms`, { cause: error });
      }
      operation.done();
    }
    t.diagnostic(`${world.kills} kills, ${failed} operations failed and were retried`);
    await world.assertTicking();
    await collectGarbage(world);
    await assertConsistent(world, model);
    await assertContent(world, model);
    for (const id of model.containers.keys()) {
      const read = await world.ctr('task', 'exec', '--exec-id', `final-${id}`, id, 'cat', '/mine');
      assert.equal(read, id);
      await world.ctr('task', 'rm', '--force', id);
      await world.ctr('container', 'rm', id);
    }
    await removeAll(world, model);
    await eventually(async () => {
      assert.deepEqual(await mountTable(world), mounts);
      assert.deepEqual(viewsOnDisk(world), views);
    });
    await world.assertTicking();
  });
});
