import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { silentLog } from '../../../src/log.ts';
import { repairState } from '../../../src/repair/repair.ts';
import type { Repaired } from '../../../src/snapshot/repaired.ts';
import { create, OTHER_PATH, PATH, remove } from '../snapshot/operations.ts';
import { openState } from '../snapshot/state-rig.ts';

describe('a repair beside other work', () => {
  let root: string;
  before(async () => (root = await mkdtemp(join(tmpdir(), 'repair-'))));
  after(() => rm(root, { recursive: true }));

  it('does not have containerd forget a name whose snapshot is removed while it is asked', async () => {
    const [gone, lost] = ['default/1/container', 'default/2/lost'];
    await using state = await openState(root);
    await state.executor.run(create(state, gone));
    const containerd = {
      async wantedKeys() {
        await state.executor.run(remove(state, gone));
        return new Map([
          [gone, true],
          [lost, false],
        ]);
      },
      unpackedImages: () => Promise.resolve(new Map<string, readonly string[]>()),
      forget: () => Promise.reject(new Error('a dry run')),
      collect: () => Promise.reject(new Error('a dry run')),
    };
    const service = { remove: () => Promise.reject(new Error('a dry run')) };
    const reconcile = () => Promise.reject(new Error('a dry run'));
    const deps = { ...state, service, containerd, reconcile, log: silentLog };
    const { actions } = await repairState({ dryRun: true, mounted: [] }, deps);
    assert.deepEqual(
      actions.map(({ what }) => what),
      [
        'have containerd forget snapshot "lost" of namespace default',
        'have containerd remove what it does not know',
      ],
    );
  });

  it('waits for closures without a root at the same time: a cache that says nothing makes each one wait', async () => {
    await using state = await openState(root);
    for (const [key, path] of Object.entries({ one: PATH, other: OTHER_PATH })) {
      await state.executor.run(create(state, key, { paths: [path] }));
      const id = state.store.get(key)?.id ?? 0;
      await state.roots.release(id);
    }
    const both = Promise.withResolvers<void>();
    let asked = 0;
    const { nix } = state;
    const realise = nix.realise.bind(nix);
    nix.realise = async (paths, link) => {
      asked += 1;
      if (asked === 2) both.resolve();
      await both.promise;
      await realise(paths, link);
    };
    const containerd = {
      wantedKeys: () => Promise.resolve(new Map(state.store.list().map(({ key }) => [key, true] as const))),
      unpackedImages: () => Promise.resolve(new Map<string, readonly string[]>()),
      forget: () => Promise.resolve(),
      collect: () => Promise.resolve(),
    };
    const service = { remove: () => Promise.resolve() };
    const deps = { ...state, service, containerd, reconcile: () => Promise.resolve(), log: silentLog };
    const repaired: Repaired[] = [];
    const observe = (each: Repaired) => void repaired.push(each);
    const { actions, left } = await repairState({ dryRun: false, mounted: [] }, { ...deps, observe });
    assert.deepEqual(
      actions.map(({ what, error }) => [what, error]),
      [
        ['root the closure of snapshot "one"', ''],
        ['root the closure of snapshot "other"', ''],
      ],
    );
    assert.deepEqual(left, []);
    const rooted = { by: 'doctor', what: 'gc-root', count: 1 };
    assert.deepEqual(repaired, [rooted, rooted]);
  });
});
