import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, beforeEach, describe, it } from 'node:test';
import { StatusError } from '../../../src/errors.ts';
import type { Step } from '../../../src/snapshot/steps.ts';
import { commit, create, OTHER_PATH, PATH, remove } from './operations.ts';
import { consistent, openState, pictureOf, type Picture, type State } from './state-rig.ts';

const EMPTY: Picture = { snapshots: [], directories: [], roots: [] };
const directories: string[] = [];
let root = '';
let state: State;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'execute-'));
  directories.push(root);
  state = await openState(root);
});
afterEach(() => state[Symbol.asyncDispose]());
after(() => Promise.all(directories.map((made) => rm(made, { recursive: true }))));

/** A Prepare with every kind of step. */
function everyStep(): readonly Step[] {
  return create(state, 'k', { paths: [PATH], mountPoints: [{ path: 'nix/store/a', kind: 'file' }] });
}

async function failsWith(steps: readonly Step[], code: string, message: RegExp): Promise<void> {
  await assert.rejects(state.executor.run(steps), (error) => {
    assert.ok(error instanceof StatusError);
    assert.equal(error.code, code);
    assert.match(error.message, message);
    return true;
  });
}

describe('a step that fails takes back those before it', () => {
  it('realise', async () => {
    state.nix.refuse = new StatusError('FailedPrecondition', 'no substituter has it');
    await failsWith(everyStep(), 'FailedPrecondition', /no substituter has it/);
    assert.deepEqual(await pictureOf(state), EMPTY);
    state.nix.refuse = undefined;
    await state.executor.run(everyStep());
    assert.deepEqual((await pictureOf(state)).directories, ['2']);
  });

  it('make-directory', async () => {
    await writeFile(join(state.layout.snapshots, '1'), 'in the way');
    await failsWith(everyStep(), 'Internal', /snapshot directory .*snapshots\/1 cannot be made: E\w+/);
    assert.deepEqual(await pictureOf(state), { ...EMPTY, directories: ['1'] });
  });

  it('make-mount-points', async () => {
    const twice = { path: 'nix/store/a', kind: 'file' as const };
    const steps = create(state, 'k', { paths: [PATH], mountPoints: [twice, twice] });
    await failsWith(
      steps,
      'Internal',
      /mount point nix\/store\/a cannot be made in .*snapshots\/1\/fs: EEXIST/,
    );
    assert.deepEqual(await pictureOf(state), EMPTY);
  });

  it('put, when what it was planned on has changed meanwhile', async () => {
    const late = everyStep();
    await state.executor.run(create(state, 'k'));
    await failsWith(late, 'AlreadyExists', /snapshot "k": already exists/);
    const onMissing = create(state, 'above', { parent: 'gone', paths: [OTHER_PATH] });
    await failsWith(onMissing, 'NotFound', /missing parent "gone" bucket: not found/);
    assert.deepEqual(await pictureOf(state), {
      snapshots: [{ key: 'k', id: 2, kind: 'active' }],
      directories: ['2'],
      roots: [],
    });
  });

  it('put, when it cannot be written', async () => {
    const apply = state.store.apply.bind(state.store);
    state.store.apply = () => Promise.reject(new StatusError('ResourceExhausted', 'disk full'));
    await failsWith(everyStep(), 'ResourceExhausted', /disk full/);
    assert.deepEqual(await pictureOf(state), EMPTY);
    state.store.apply = apply;
    await state.executor.run(everyStep());
    assert.deepEqual((await pictureOf(state)).roots, ['2']);
  });

  it('takes back all it can, and gives the first error, when taking back fails too', async () => {
    const late = everyStep();
    await state.executor.run(create(state, 'k'));
    state.roots.release = () => Promise.reject(new Error('cannot release'));
    await failsWith(late, 'AlreadyExists', /"k"/);
    assert.deepEqual((await pictureOf(state)).directories, ['2']);
  });
});

describe('a change of the metadata that two operations want', () => {
  it('is made by one of them; the other leaves nothing', async () => {
    const plans = Array.from({ length: 8 }, () => create(state, 'same', { paths: [PATH] }));
    const results = await Promise.allSettled(plans.map((steps) => state.executor.run(steps)));
    const failures = results.flatMap((result) =>
      result.status === 'rejected' ? [result.reason as unknown] : [],
    );
    assert.equal(failures.length, 7);
    for (const failure of failures)
      assert.ok(failure instanceof StatusError && failure.code === 'AlreadyExists');
    const picture = await pictureOf(state);
    assert.deepEqual({ directories: picture.directories, roots: picture.roots }, consistent(state));
    assert.equal(picture.snapshots.length, 1);
  });

  it('lets a parent go or a child come, not both', async () => {
    await state.executor.run(create(state, 'k'));
    await state.executor.run(commit(state, 'k', 'base'));
    const child = create(state, 'child', { parent: 'base' });
    const results = await Promise.allSettled([
      state.executor.run(remove(state, 'base')),
      state.executor.run(child),
    ]);
    await state.idle();
    assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1);
    const picture = await pictureOf(state);
    assert.deepEqual({ directories: picture.directories, roots: picture.roots }, consistent(state));
  });
});

describe('a step after the change of the metadata', () => {
  it('may fail: the change stands, and Cleanup removes what is left', async () => {
    await state.executor.run(everyStep());
    const retire = state.roots.retire.bind(state.roots);
    state.roots.retire = () => Promise.reject(new Error('no'));
    await state.executor.run(remove(state, 'k'));
    await state.idle();
    assert.deepEqual(await pictureOf(state), { ...EMPTY, roots: ['1'] });
    state.roots.retire = retire;
    await state.cleanup.run();
    assert.deepEqual(await pictureOf(state), EMPTY);
  });

  it('that was never reached is made up for by the next start', async () => {
    await state.executor.run(create(state, 'k'));
    const steps = remove(state, 'k').filter(({ type }) => type !== 'remove-directory');
    await state.executor.run(steps);
    assert.deepEqual((await pictureOf(state)).directories, ['1']);
    await state[Symbol.asyncDispose]();
    state = await openState(root);
    assert.deepEqual(await state.reconcile(), []);
    assert.deepEqual(await pictureOf(state), EMPTY);
  });
});

describe('Cleanup beside running operations', () => {
  it('leaves what is being made', async () => {
    let made: Picture | undefined;
    await state.ids.withNew(async (id) => {
      await mkdir(state.layout.fs(id), { recursive: true });
      await mkdir(join(state.layout.snapshots, 'new-abcdef'));
      await state.roots.secure(id, { kind: 'paths', paths: [PATH] });
      await mkdir(state.layout.directory(99));
      await state.cleanup.run();
      made = await pictureOf(state);
    });
    assert.deepEqual(made, { snapshots: [], directories: ['1', 'new-abcdef'], roots: ['1'] });
    await state.cleanup.run();
    assert.deepEqual(await pictureOf(state), EMPTY);
  });
});
