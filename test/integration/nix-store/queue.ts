import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { silentLog } from '../../../src/log.ts';
import { RealiseQueue } from '../../../src/nix/realise-queue.ts';
import { GatedCache } from './gated-cache.ts';
import { archiveOf, CACHE, collectGarbage, openStore, paths, ROOTS, workers } from './node.ts';

const R1 = `${ROOTS}/1`;
const R2 = `${ROOTS}/2`;

/** Callers of a realise queue, on a real Nix store; see scenarios.ts. */
export const QUEUE: Readonly<Record<string, () => Promise<void>>> = {
  'joins callers of one closure, each with its root': async () => {
    const { a, c, lone } = paths();
    await using cache = await GatedCache.serve(CACHE);
    const store = openStore([cache.url]);
    await using queue = new Closing(
      new RealiseQueue({ concurrency: 2, long: 0, maxWaiting: 100, graceMs: 1e6 }, { store, log: silentLog }),
    );
    const waits = cache.hold();
    const both = [queue.queue.realise([c, lone], R1), queue.queue.realise([lone, c], R2)];
    await waits;
    cache.release();
    await Promise.all(both);
    assert.equal(cache.fetches, 4);
    await store.removeRoot(R1);
    await collectGarbage();
    assert.equal((await store.valid([a, c, lone])).size, 3);
  },

  'goes on after a deadline; GC takes nothing before the retry has its root': async () => {
    const { a, b, c } = paths();
    await using cache = await GatedCache.serve(CACHE);
    const store = openStore([cache.url]);
    await using queue = new Closing(
      new RealiseQueue({ concurrency: 2, long: 0, maxWaiting: 100, graceMs: 1e6 }, { store, log: silentLog }),
    );
    const waits = cache.hold();
    const leaving = new AbortController();
    const gone = queue.queue.realise([c], R1, { signal: leaving.signal });
    await waits;
    leaving.abort();
    await assert.rejects(gone, { code: 'Cancelled' });
    await assert.rejects(queue.queue.realise([c], R2, { deadlineMs: 1 }), {
      code: 'DeadlineExceeded',
      message: new RegExp(`${c} is not here yet: .*pull again, the download goes on`),
    });
    cache.release();
    while (queue.queue.inFlight().length > 0) await collectGarbage();
    await collectGarbage();
    await queue.queue.realise([c], R2);
    assert.equal(existsSync(R1), false);
    await collectGarbage();
    assert.equal((await store.valid([a, b, c])).size, 3);
    assert.equal(cache.fetches, 3);
  },

  'fetches a small closure while large ones have all the turns that they may have': async () => {
    const { c, large } = paths();
    await using cache = await GatedCache.serve(CACHE);
    const store = openStore([cache.url]);
    await using queue = new Closing(
      new RealiseQueue({ concurrency: 1, long: 1, maxWaiting: 100, graceMs: 1e6 }, { store, log: silentLog }),
    );
    const archives = new Set(large.map(archiveOf));
    const waits = cache.hold((path) => archives.has(path));
    const all = large.map((path, at) => queue.queue.realise([path], `${ROOTS}/large-${at}`));
    await waits;
    await queue.queue.realise([c], R1);
    assert.deepEqual(
      queue.queue.inFlight().map(({ state }) => state),
      ['running', 'queued', 'queued'],
    );
    cache.release();
    await Promise.all(all);
    assert.equal((await store.valid([c, ...large])).size, 4);
  },

  'stops Nix when it is closed, and leaves no root': async () => {
    const { c } = paths();
    await using cache = await GatedCache.serve(CACHE);
    const store = openStore([cache.url]);
    const queue = new RealiseQueue(
      { concurrency: 2, long: 0, maxWaiting: 100, graceMs: 0 },
      { store, log: silentLog },
    );
    const waits = cache.hold();
    const stopped = assert.rejects(queue.realise([c], R1), { code: 'Unavailable' });
    await waits;
    const before = (await workers(cache.url)).length;
    assert.ok(before > 0);
    await queue.close();
    await stopped;
    while ((await workers(cache.url)).length >= before) await setTimeout(10);
    assert.deepEqual(readdirSync(ROOTS), []);
  },
};

class Closing implements AsyncDisposable {
  readonly queue: RealiseQueue;

  constructor(queue: RealiseQueue) {
    this.queue = queue;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.queue.close();
  }
}
