import assert from 'node:assert/strict';
import { ClosureReader } from '../../../src/closure/closure-of-layer.ts';
import { type StorePath, storePathName } from '../../../src/closure/store-path.ts';
import { bytesOf } from '../../../src/nix/measure.ts';
import { GatedCache } from './gated-cache.ts';
import { CACHE, openStore, paths, ROOTS } from './node.ts';

const MISSING = '/nix/store/00000000000000000000000000000000-missing' as StorePath;
const R1 = `${ROOTS}/1`;
const R2 = `${ROOTS}/2`;

/** What is asked of a real Nix store; see scenarios.ts. */
export const QUESTIONS: Readonly<Record<string, () => Promise<void>>> = {
  'says what a closure takes before anything is fetched': async () => {
    const { a, b, c, lone } = paths();
    await using cache = await GatedCache.serve(CACHE);
    const store = openStore([cache.url]);
    const before = await store.measure([c]);
    assert.deepEqual([...before.absent.keys()].toSorted(), [a, b, c].toSorted());
    assert.deepEqual([before.present.size, cache.fetches], [0, 0]);
    assert.ok(bytesOf(before) > 290_000, String(bytesOf(before)));
    assert.equal((await store.measure([c], { local: true })).absent.size, 0);
    const unknown = await store.measure([lone, MISSING]);
    assert.deepEqual([[...unknown.absent.keys()], unknown.complete], [[lone], false]);
    await store.realise([a], R1);
    const some = await store.measure([a, c]);
    assert.ok(some.present.has(a) && !some.absent.has(a) && some.absent.has(c));
    await store.realise([c], R2);
    const after = await store.measure([c]);
    assert.deepEqual([...after.present.keys()].toSorted(), [a, b, c].toSorted());
    assert.deepEqual([after.absent.size, after.complete], [0, true]);
    // What nix-store prints of sizes is rounded.
    assert.ok(Math.abs(bytesOf(after) - bytesOf(before)) < 11_000);
    await cache[Symbol.asyncDispose]();
    assert.equal((await openStore(['http://127.0.0.1:9']).measure([lone])).complete, false);
  },

  'tells what the paths of a closure refer to': async () => {
    const { a, b, c, small, all } = paths();
    await using cache = await GatedCache.serve(CACHE);
    const store = openStore([cache.url]);
    await store.realise([c, all], R1);
    assert.deepEqual(
      await store.referenceGraph([c, a, b]),
      new Map([
        [c, [b]],
        [a, []],
        [b, [a]],
      ]),
    );
    const graph = await store.referenceGraph([all, ...small]);
    assert.deepEqual([graph.size, graph.get(all)?.length], [1001, 1000]);
    assert.deepEqual(await store.referenceGraph([]), new Map());
    await assert.rejects(store.referenceGraph([a, MISSING]), /00000-missing.*is not valid/);
  },

  'reads the closure of a path that lists one': async () => {
    const { all } = paths();
    await using cache = await GatedCache.serve(CACHE);
    const store = openStore([cache.url]);
    await store.realise([all], R1);
    const reader = new ClosureReader({ realStoreDir: () => store.realStoreDir() });
    await assert.rejects(reader.pathsOf({ kind: 'closure-info', path: all }), {
      code: 'FailedPrecondition',
      message: new RegExp(`${storePathName(all)}/store-paths`),
    });
    assert.equal((await store.closure([all])).length, 1001);
  },
};
