import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { silentLog } from '../../../src/log.ts';
import { ImageCache } from '../../../src/store-image/image-cache.ts';
import type { ServedImage } from '../../../src/store-image/served-image.ts';

function images() {
  const counts = { opened: 0, closed: 0 };
  const open = async (): Promise<ServedImage> => {
    counts.opened += 1;
    const descriptor = { mediaType: '', digest: `sha256:${'0'.repeat(64)}`, size: 0 };
    const target = { descriptor, open: () => Promise.reject(new Error('not asked for')) };
    return {
      target,
      blobs: new Map(),
      closures: [],
      [Symbol.asyncDispose]: async () => void (counts.closed += 1),
    };
  };
  return { counts, open };
}

describe('ImageCache', () => {
  it('opens an image once for all who use it, and lets it go a while after the last', async () => {
    const { counts, open } = images();
    await using cache = new ImageCache({ idleMs: 20 }, { log: silentLog });
    const leases = await Promise.all([cache.use('a', open), cache.use('a', open)]);
    assert.equal(counts.opened, 1);
    for (const lease of leases) lease[Symbol.dispose]();
    (await cache.use('a', open))[Symbol.dispose]();
    assert.deepEqual(counts, { opened: 1, closed: 0 });
    while (counts.closed === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    (await cache.use('a', open))[Symbol.dispose]();
    assert.equal(counts.opened, 2);
  });

  it('keeps no failure', async () => {
    const { counts, open } = images();
    await using cache = new ImageCache({ idleMs: 1000 }, { log: silentLog });
    await assert.rejects(
      cache.use('a', () => Promise.reject(new Error('not today'))),
      /not today/,
    );
    (await cache.use('a', open))[Symbol.dispose]();
    assert.equal(counts.opened, 1);
  });

  it('goes on when an image cannot be closed', async () => {
    const { counts, open } = images();
    const broken = async (): Promise<ServedImage> => ({
      ...(await open()),
      [Symbol.asyncDispose]: () => Promise.reject(new Error('no')),
    });
    await using cache = new ImageCache({ idleMs: 1 }, { log: silentLog });
    (await cache.use('a', broken))[Symbol.dispose]();
    await new Promise((resolve) => setTimeout(resolve, 30));
    (await cache.use('a', open))[Symbol.dispose]();
    assert.equal(counts.opened, 2);
  });

  it('closes what it has when it ends, once', async () => {
    const { counts, open } = images();
    const cache = new ImageCache({ idleMs: 60_000 }, { log: silentLog });
    (await cache.use('a', open))[Symbol.dispose]();
    const inUse = await cache.use('b', open);
    await cache[Symbol.asyncDispose]();
    inUse[Symbol.dispose]();
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(counts, { opened: 2, closed: 2 });
  });

  it('stops the work when all who waited have gone, and not before', async () => {
    const { open } = images();
    await using cache = new ImageCache({ idleMs: 1000 }, { log: silentLog });
    const [one, other] = [new AbortController(), new AbortController()];
    const started: AbortSignal[] = [];
    const slow = async (unwanted: AbortSignal): Promise<ServedImage> => {
      started.push(unwanted);
      await new Promise((resolve) => unwanted.addEventListener('abort', resolve, { once: true }));
      throw new Error('stopped');
    };
    const waits = [one, other].map(({ signal }) =>
      assert.rejects(cache.use('a', slow, signal), { code: 'Cancelled' }),
    );
    one.abort();
    await waits[0];
    assert.deepEqual(
      started.map(({ aborted }) => aborted),
      [false],
    );
    other.abort();
    await waits[1];
    assert.equal(started[0]?.aborted, true);
    (await cache.use('a', open))[Symbol.dispose]();
  });

  it('closes what was made after all who waited had gone', async () => {
    const { counts, open } = images();
    await using cache = new ImageCache({ idleMs: 60_000 }, { log: silentLog });
    const gone = new AbortController();
    const going = Promise.withResolvers<void>();
    const use = cache.use('a', () => going.promise.then(open), gone.signal);
    gone.abort();
    await assert.rejects(use, { code: 'Cancelled' });
    going.resolve();
    while (counts.closed === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    assert.equal(counts.opened, 1);
  });

  it('stops what it is opening when it ends', async () => {
    const cache = new ImageCache({ idleMs: 60_000 }, { log: silentLog });
    const slow = (unwanted: AbortSignal): Promise<ServedImage> =>
      new Promise((_resolve, reject) => {
        unwanted.addEventListener('abort', () => reject(new Error('stopped')), { once: true });
      });
    const refused = assert.rejects(cache.use('a', slow), /stopped/);
    await cache[Symbol.asyncDispose]();
    await refused;
  });

  it('opens anew what is to be forgotten; who uses it keeps it', async () => {
    const { counts, open } = images();
    await using cache = new ImageCache({ idleMs: 60_000 }, { log: silentLog });
    const lease = await cache.use('a', open);
    cache.forget('a');
    (await cache.use('a', open))[Symbol.dispose]();
    assert.deepEqual(counts, { opened: 2, closed: 0 });
    lease[Symbol.dispose]();
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(counts, { opened: 2, closed: 1 });
    cache.forget('a');
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(counts, { opened: 2, closed: 2 });
  });
});
