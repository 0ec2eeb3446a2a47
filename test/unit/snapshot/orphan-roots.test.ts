import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { it } from 'node:test';
import type { LayerClosure } from '../../../src/closure/annotations.ts';
import type { StorePath } from '../../../src/closure/store-path.ts';
import { openState } from './state-rig.ts';

const PATH = '/nix/store/00000000000000000000000000000000-a' as StorePath;
const CLOSURE: LayerClosure = { kind: 'paths', paths: [PATH] };

it('a clean-up takes no root from a snapshot that is made while it runs', async (t) => {
  const root = await mkdtemp(`${tmpdir()}/orphan-roots-`);
  t.after(async () => await rm(root, { recursive: true }));
  await using state = await openState(root);
  const { gcRoots, roots, ids, cleanup } = state;
  await roots.secure(999, CLOSURE);
  await mkdir(`${root}/snapshots/998`);

  const made = Promise.withResolvers<number>();
  const finish = Promise.withResolvers<void>();
  const list = gcRoots.list.bind(gcRoots);
  let making: Promise<void> | undefined;
  t.mock.method(gcRoots, 'list', async () => {
    making = ids.withNew(async (id) => {
      await roots.secure(id, CLOSURE);
      made.resolve(id);
      await finish.promise;
    });
    await made.promise;
    return await list();
  });
  await cleanup.run();

  assert.deepEqual(await list(), [await made.promise]);
  assert.equal(roots.isRooted(await made.promise), true);
  finish.resolve();
  await making;
});
