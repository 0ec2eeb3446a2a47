import assert from 'node:assert/strict';
import { lstat, lutimes, mkdir, mkdtemp, readdir, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, beforeEach, describe, it } from 'node:test';
import { StatusError } from '../../../src/errors.ts';
import { create, OTHER_PATH, PATH, remove } from './operations.ts';
import { openState, pictureOf } from './state-rig.ts';

const GRACE_MS = 60_000;
const directories: string[] = [];
let root = '';

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'reconcile-'));
  directories.push(root);
  await using state = await openState(root);
  await state.executor.run(create(state, 'nix', { paths: [PATH] }));
  await state.executor.run(create(state, 'plain'));
});
after(() => Promise.all(directories.map((made) => rm(made, { recursive: true }))));

describe('reconcile', () => {
  it('roots anew what lost its root', async () => {
    await rm(join(root, 'gcroots', '1'));
    await using state = await openState(root);
    assert.deepEqual(await state.reconcile(), []);
    await state.idle();
    assert.deepEqual((await pictureOf(state)).roots, ['1']);
    assert.equal(state.roots.isRooted(1), true);
    assert.deepEqual(state.repaired, [{ by: 'reconcile', what: 'gc-root', count: 1 }]);
  });

  it('says that something is rooted again when it is', async () => {
    await rm(join(root, 'gcroots', '1'));
    await using state = await openState(root);
    const { promise: held, resolve: goOn } = Promise.withResolvers<void>();
    const { nix } = state;
    const realise = nix.realise.bind(nix);
    nix.realise = async (...call) => {
      await held;
      await realise(...call);
    };
    const { repairs } = await state.reconciled();
    assert.deepEqual(repairs, []);
    goOn();
    await state.idle();
    await new Promise(setImmediate);
    assert.deepEqual(repairs, ['1 closures had lost their GC roots and are rooted again']);
  });

  it('does not fail when Nix cannot bring a closure back, and does not say that it is there', async () => {
    await rm(join(root, 'gcroots', '1'));
    await using state = await openState(root);
    state.nix.refuse = new StatusError('Unavailable', 'no cache');
    const { problems, repairs } = await state.reconciled();
    await state.idle();
    await new Promise(setImmediate);
    assert.deepEqual([problems, repairs], [[], []]);
    const { snapshots, roots } = await pictureOf(state);
    assert.deepEqual([snapshots.map(({ key }) => key), roots], [['nix', 'plain'], []]);
  });

  it('names a snapshot whose directory is gone, and keeps the others', async () => {
    await rm(join(root, 'snapshots', '2'), { recursive: true });
    await using state = await openState(root);
    const [problem, ...rest] = await state.reconcile();
    assert.deepEqual(rest, []);
    assert.match(problem ?? '', /"plain".*snapshots\/2\/fs is gone; .*remove it and pull the image again/);
    assert.deepEqual((await pictureOf(state)).directories, ['1']);
  });

  for (const last of ['put', 'retire-roots']) {
    it(`keeps the root of a snapshot whose removal ended after ${last} for the grace period`, async () => {
      {
        await using state = await openState(root, GRACE_MS);
        await lutimes(state.gcRoots.link(1), new Date(0), new Date(0));
        const steps = remove(state, 'nix');
        await state.executor.run(steps.slice(0, steps.findIndex(({ type }) => type === last) + 1));
      }
      await using state = await openState(root, GRACE_MS);
      assert.deepEqual(await state.reconcile(), []);
      assert.deepEqual((await pictureOf(state)).roots, ['1']);
      assert.deepEqual([state.roots.count, state.retired.count], [0, 1]);
    });
  }

  it('gives the id of a retired root to nobody when metadata is lost: the root of another would go with it', async () => {
    {
      await using state = await openState(root, GRACE_MS);
      await state.executor.run(create(state, 'replaced', { paths: [PATH] }));
      await state.executor.run(remove(state, 'replaced'));
      await state.idle();
      assert.deepEqual((await pictureOf(state)).roots, ['1', '3']);
    }
    await rm(join(root, 'metadata'), { recursive: true });
    await using state = await openState(root, GRACE_MS);
    await state.reconcile();
    await state.idle();
    await state.executor.run(create(state, 'next', { paths: [OTHER_PATH] }));
    await state.retired.releaseAll();
    assert.deepEqual((await pictureOf(state)).roots, ['1', '4']);
  });

  it('removes the root of a snapshot that was removed longer ago', async () => {
    {
      await using state = await openState(root, GRACE_MS);
      await state.executor.run(remove(state, 'nix'));
      const then = new Date(Date.now() - GRACE_MS - 1);
      await lutimes(state.gcRoots.link(1), then, then);
    }
    await using state = await openState(root, GRACE_MS);
    assert.deepEqual(await state.reconcile(), []);
    assert.deepEqual((await pictureOf(state)).roots, []);
  });

  it('makes the directory of a view again, which holds nothing', async () => {
    {
      await using state = await openState(root);
      await state.executor.run(create(state, 'view', { kind: 'view' }));
    }
    const view = (await readdir(join(root, 'snapshots'))).toSorted().at(-1) ?? '';
    await rm(join(root, 'snapshots', view), { recursive: true });
    await using state = await openState(root);
    const { problems, repairs } = await state.reconciled();
    assert.deepEqual(problems, []);
    assert.match(repairs.join(), /^snapshot "view": its directory.*is made again$/);
    assert.deepEqual((await readdir(join(root, 'snapshots', view))).toSorted(), ['fs', 'record']);
  });

  it('names a view whose directory is gone with the mount points that it had of its own', async () => {
    {
      await using state = await openState(root);
      const mountPoints = [{ path: 'nix/store/one', kind: 'directory' as const }];
      await state.executor.run(create(state, 'view', { kind: 'view', mountPoints }));
    }
    const view = (await readdir(join(root, 'snapshots'))).toSorted().at(-1) ?? '';
    await rm(join(root, 'snapshots', view), { recursive: true });
    await using state = await openState(root);
    const { problems, repairs } = await state.reconciled();
    assert.match(problems.join(), /^snapshot "view": its directory .* is gone; run "nix-snapshotter doctor/);
    assert.deepEqual(repairs, []);
  });

  it('neither a clean-up nor a stop waits until views are mounted, which may wait for Nix', async () => {
    const state = await openState(root);
    let hasEnded = false;
    state.views.restore = async (stopping) => {
      if (!stopping.aborted) await new Promise((resolve) => stopping.addEventListener('abort', resolve));
      hasEnded = true;
      return 0;
    };
    await state.reconcile();
    await mkdir(join(root, 'snapshots', '77', 'fs'), { recursive: true });
    await state.cleanup.run();
    assert.deepEqual((await pictureOf(state)).directories, ['1', '2']);
    assert.equal(hasEnded, false);
    await state[Symbol.asyncDispose]();
    assert.equal(hasEnded, true);
  });

  it('keeps a directory that nothing is known of after a repair, until it is told to forget it', async () => {
    await mkdir(join(root, 'snapshots', '7', 'fs'), { recursive: true });
    const metadata = join(root, 'metadata');
    const manifest = (await readdir(metadata)).find((name) => name.startsWith('MANIFEST')) ?? '';
    await truncate(join(metadata, manifest), 7);
    for (let start = 0; start < 2; start += 1) {
      await using state = await openState(root);
      assert.match((await state.reconcile()).join(), /1 directories.*are kept.*doctor --repair/);
      assert.deepEqual((await pictureOf(state)).directories, ['1', '2', '7']);
    }
    await using state = await openState(root);
    await state.store.forget([7]);
    assert.deepEqual(await state.reconcile(), []);
    assert.deepEqual((await pictureOf(state)).directories, ['1', '2']);
  });

  it('roots everything anew at the first start of the host', async () => {
    await rm(join(root, 'boot'), { force: true });
    await using state = await openState(root);
    const linkBefore = await lstat(join(root, 'gcroots', '1'), { bigint: true });
    assert.deepEqual(await state.reconcile(), []);
    await state.idle();
    const linkAfter = await lstat(join(root, 'gcroots', '1'), { bigint: true });
    assert.notEqual(linkAfter.ctimeNs, linkBefore.ctimeNs);
    await state.reconcile();
    await state.idle();
    assert.equal((await lstat(join(root, 'gcroots', '1'), { bigint: true })).ctimeNs, linkAfter.ctimeNs);
  });

  it('roots everything anew at the next start when the first one of the host did not come to that', async () => {
    await rm(join(root, 'boot'), { force: true });
    {
      await using state = await openState(root);
      state.nix.refuse = new StatusError('Unavailable', 'no daemon yet');
      await state.reconcile();
      await state.idle();
    }
    await using state = await openState(root);
    const { ctimeNs } = await lstat(join(root, 'gcroots', '1'), { bigint: true });
    await state.reconcile();
    await state.idle();
    assert.notEqual((await lstat(join(root, 'gcroots', '1'), { bigint: true })).ctimeNs, ctimeNs);
  });

  it('names a directory that cannot be removed, and removes the others', async () => {
    for (const name of ['7', '77', '777']) {
      await mkdir(join(root, 'snapshots', name, 'fs'), { recursive: true });
    }
    await using state = await openState(root);
    const { removeTree } = state.disk;
    state.disk.removeTree = (directory) =>
      directory.endsWith('/77') ? Promise.reject(new Error('EBUSY: a mount')) : removeTree(directory);
    const [problem, ...rest] = await state.reconcile();
    assert.deepEqual(rest, []);
    assert.match(problem ?? '', /snapshots\/77 of no snapshot cannot be removed: EBUSY: a mount; remove it/);
    assert.deepEqual((await pictureOf(state)).directories, ['1', '2', '77']);
  });

  it('does not wait for ever for what takes long to remove, and says in the end what is left', async (t) => {
    await mkdir(join(root, 'snapshots', '77', 'fs'), { recursive: true });
    await rm(join(root, 'gcroots', '1'));
    await using state = await openState(root);
    const [begun, held] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    state.disk.removeTree = () => {
      begun.resolve();
      return held.promise;
    };
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const reconciling = state.reconciled();
    await begun.promise;
    t.mock.timers.tick(5000);
    const { problems } = await reconciling;
    assert.deepEqual(problems, []);
    held.reject(new Error('EBUSY: a mount'));
    await state.idle();
    assert.match(problems.join(), /snapshots\/77 of no snapshot cannot be removed: EBUSY/);
    assert.deepEqual((await pictureOf(state)).roots, ['1']);
  });

  it('removes directories and roots of no snapshot, and touches nothing else', async () => {
    await mkdir(join(root, 'snapshots', '77', 'fs'), { recursive: true });
    await mkdir(join(root, 'snapshots', 'of-somebody-else'));
    await using state = await openState(root);
    await state.roots.secure(78, { kind: 'paths', paths: [PATH] });
    await state.reconcile();
    await state.idle();
    const { directories: left, roots } = await pictureOf(state);
    assert.deepEqual([left, roots], [['1', '2', 'of-somebody-else'], ['1']]);
    assert.equal(state.store.nextId(), 78);
  });
});
