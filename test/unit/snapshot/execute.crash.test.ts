import assert from 'node:assert/strict';
import { cp, mkdir, mkdtemp, readdir, rm, stat, symlink, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { OPERATIONS, PATH, type Operation } from './operations.ts';
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
      const old = await logSizes(root);
      let written: readonly (readonly [string, number])[] = [];
      {
        await using state = await openState(root);
        await state.executor.run(operation.plan(state));
        written = await logSizes(root);
      }
      // LevelDB starts a new log file when it is opened; the operation's batch was the last one in it before the close.
      const [file, size] = written.find(([name]) => old.every(([other]) => other !== name)) ?? [];
      assert.ok(file !== undefined && size !== undefined && size > 12);
      for (let length = 0; length < size; length += Math.ceil(size / 12)) {
        const torn = await temporaryRoot();
        await cp(root, torn, { recursive: true, verbatimSymlinks: true });
        await truncate(join(torn, 'metadata', file), length);
        await using state = await openState(torn);
        assert.deepEqual((await pictureOf(state)).snapshots, picture.snapshots, `${length} of ${size} bytes`);
      }
    });
  }

  it('in the making of a directory, or of a root, leaves no half one', async () => {
    const root = await temporaryRoot();
    {
      await using state = await openState(root);
      await mkdir(join(state.layout.snapshots, 'new-AbCdEf', 'fs'), { recursive: true });
      // What Nix leaves of a link that it was about to put in place.
      await symlink(PATH, join(state.layout.gcRoots, '.42_7'));
    }
    await restart(root, async (state) => {
      assert.deepEqual(await pictureOf(state), { snapshots: [], directories: [], roots: [] });
    });
  });
});

async function logSizes(root: string): Promise<readonly (readonly [string, number])[]> {
  const names = (await readdir(join(root, 'metadata'))).filter((name) => /^\d+\.log$/.test(name));
  return Promise.all(
    names.map(async (name) => [name, (await stat(join(root, 'metadata', name))).size] as const),
  );
}
