import assert from 'node:assert/strict';
import { cp, mkdtemp, readdir, rm, stat, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { OPERATIONS, type Operation } from './operations.ts';
import { consistent, openState, pictureOf, type Picture, type State } from './state-rig.ts';

const directories: string[] = [];
after(() => Promise.all(directories.map((made) => rm(made, { recursive: true }))));

async function temporaryRoot(): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), 'execute-'));
  directories.push(made);
  return join(made, 'root');
}

/** A root on which what the operation needs has been done, and a neighbour that no crash may touch. */
async function prepare(operation: Operation): Promise<{ root: string; picture: Picture }> {
  const root = await temporaryRoot();
  await using state = await openState(root);
  for (const steps of operation.before(state)) await state.executor.run(steps);
  await state.idle();
  return { root, picture: await pictureOf(state) };
}

/** Opens the root as a started daemon does. */
async function restart<T>(root: string, look: (state: State) => Promise<T>): Promise<T> {
  await using state = await openState(root);
  assert.deepEqual(await state.reconcile(), []);
  await state.idle();
  const { directories: onDisk, roots } = await pictureOf(state);
  assert.deepEqual({ directories: onDisk, roots }, consistent(state));
  return look(state);
}

describe('a daemon that dies between two steps', () => {
  for (const operation of OPERATIONS) {
    it(`of ${operation.name} starts with a whole state`, async () => {
      const steps = await (async () => {
        const { root } = await prepare(operation);
        await using state = await openState(root);
        return operation.plan(state).length;
      })();
      for (let done = 0; done <= steps; done += 1) {
        const { root, picture } = await prepare(operation);
        let putDone = false;
        {
          await using state = await openState(root);
          const plan = operation.plan(state).slice(0, done);
          putDone = plan.some(({ type }) => type === 'put');
          await state.executor.run(plan);
        }
        await restart(root, async (state) => {
          const now = await pictureOf(state);
          if (putDone) assert.notDeepEqual(now.snapshots, picture.snapshots);
          else assert.deepEqual(now, picture);
        });
      }
    });

    it(`in the write of ${operation.name} to the metadata has all of it or nothing`, async () => {
      const { root, picture } = await prepare(operation);
      const before = await logSizes(root);
      await (async () => {
        await using state = await openState(root);
        await state.executor.run(operation.plan(state));
      })();
      const whole = await restart(root, (state) => Promise.resolve(state.store.list().length));
      assert.notEqual(whole, undefined);
      // After an opening LevelDB starts a new log file: all of it was written by the operation.
      const [file, size] =
        (await logSizes(root)).find(([name]) => !before.some(([old]) => old === name)) ?? [];
      assert.ok(file !== undefined && size !== undefined);
      const keys = (one: Picture) => one.snapshots.map(({ key }) => key);
      for (let length = 0; length < size; length += 7) {
        const torn = await temporaryRoot();
        await cp(root, torn, { recursive: true, verbatimSymlinks: true });
        await truncate(join(torn, 'metadata', file), length);
        await using state = await openState(torn);
        assert.deepEqual(keys(await pictureOf(state)), keys(picture), `${length} of ${size} bytes`);
      }
    });
  }

  it('in the making of a directory leaves no half one', async () => {
    const root = await temporaryRoot();
    {
      await using state = await openState(root);
      await cp(root, join(state.layout.snapshots, 'new-AbCdEf', 'fs'), { recursive: true }).catch(
        () => undefined,
      );
    }
    await restart(root, async (state) => {
      assert.deepEqual(await readdir(state.layout.snapshots), []);
    });
  });
});

async function logSizes(root: string): Promise<readonly (readonly [string, number])[]> {
  const names = (await readdir(join(root, 'metadata'))).filter((name) => /^\d+\.log$/.test(name));
  return Promise.all(
    names.map(async (name) => [name, (await stat(join(root, 'metadata', name))).size] as const),
  );
}
