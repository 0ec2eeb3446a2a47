import assert from 'node:assert/strict';
import { beforeEach, describe, it, mock } from 'node:test';
import type { StorePath } from '../../../src/closure/store-path.ts';
import { StatusError } from '../../../src/errors.ts';
import type { RealiseQueue } from '../../../src/nix/realise-queue.ts';
import { A, B, GRACE, HeldStore, numbered, queueOn, settle } from './held-store.ts';

let store: HeldStore;
let queue: RealiseQueue;
const call = (index: number) => store.call(index);

describe('RealiseQueue', () => {
  beforeEach((context) => {
    if (!('after' in context)) throw new Error('no test context');
    mock.timers.enable({ apis: ['setTimeout'] });
    context.after(() => mock.timers.reset());
    store = new HeldStore();
    queue = queueOn(store);
  });

  it('realises once for callers that come together, and gives each its root', async () => {
    const first = queue.realise([A, B], '/r/1');
    const second = queue.realise([B, A], '/r/2');
    await settle();
    assert.equal(store.calls.length, 1);
    assert.equal(queue.inFlight()[0]?.waiters, 2);
    call(0).finish();
    await first;
    await settle();
    assert.equal(call(1).root, '/r/2');
    call(1).finish();
    await second;
    assert.deepEqual([...store.roots], ['/r/1', '/r/2']);
    assert.deepEqual(queue.inFlight(), []);
  });

  it('goes on when a caller reaches its deadline; the retry joins and then owns a root', async () => {
    const first = queue.realise([A], '/r/1', { deadlineMs: 1000 });
    await settle();
    call(0).options.onProgress?.({
      pathsDone: 1,
      pathsTotal: 3,
      bytesDone: 1048576,
      bytesTotal: 3145728,
      substituters: ['https://me:secret@cache?priority=1'],
    });
    mock.timers.tick(1000);
    await assert.rejects(first, {
      code: 'DeadlineExceeded',
      message: /is not here yet: in \d+ s .*; pull again, the download goes on meanwhile/,
    });
    await assert.rejects(first, {
      message: /the cache https:\/\/cache has sent 1 of 3 paths, 1\.0 of 3\.0 MiB;/,
    });
    assert.equal(call(0).options.signal?.aborted, false);
    const retry = queue.realise([A], '/r/2');
    await settle();
    assert.equal(store.calls.length, 1);
    call(0).finish();
    await settle();
    assert.deepEqual([...queue.roots()], ['/r/1']);
    call(1).finish();
    await retry;
    assert.deepEqual([...store.roots], ['/r/2']);
    assert.deepEqual([...queue.roots()], []);
  });

  it('keeps the root of a caller that has gone for the grace time, and no longer', async () => {
    const leaving = new AbortController();
    const first = queue.realise([A], '/r/1', { signal: leaving.signal });
    await settle();
    leaving.abort();
    await assert.rejects(first, { code: 'Cancelled' });
    call(0).finish();
    await settle();
    mock.timers.tick(GRACE - 1);
    await settle();
    assert.deepEqual([...store.roots], ['/r/1']);
    assert.deepEqual([...queue.roots()], ['/r/1']);
    mock.timers.tick(1);
    await settle();
    assert.deepEqual([...store.roots], []);
  });

  it('keeps the root until a retry after the end has its own', async () => {
    const first = queue.realise([A], '/r/1', { deadlineMs: 1 });
    await settle();
    mock.timers.tick(1);
    await assert.rejects(first);
    call(0).finish();
    await settle();
    const retry = queue.realise([A], '/r/2');
    await settle();
    assert.deepEqual([...store.roots], ['/r/1']);
    call(1).finish();
    await retry;
    assert.deepEqual([...store.roots], ['/r/2']);
    mock.timers.tick(GRACE);
    await settle();
    assert.deepEqual([...store.roots], ['/r/2']);
  });

  it('gives a kept root back to its owner', async () => {
    const first = queue.realise([A], '/r/1', { deadlineMs: 1 });
    await settle();
    mock.timers.tick(1);
    await assert.rejects(first);
    call(0).finish();
    await settle();
    const retry = queue.realise([A], '/r/1');
    await settle();
    call(1).finish();
    await retry;
    mock.timers.tick(GRACE);
    await settle();
    assert.deepEqual([...store.roots], ['/r/1']);
  });

  it('keeps a kept root when the retry for the same root fails', async () => {
    const first = queue.realise([A], '/r/1', { deadlineMs: 1 });
    await settle();
    mock.timers.tick(1);
    await assert.rejects(first);
    call(0).finish();
    await settle();
    const retry = queue.realise([A], '/r/1');
    await settle();
    call(1).fail(new StatusError('Unavailable', 'cache down'));
    await assert.rejects(retry, { code: 'Unavailable' });
    assert.deepEqual([...queue.roots()], ['/r/1']);
  });

  it('drops queued work that nobody waits for', async () => {
    const paths = ['2', '3'].map((digit) => `/nix/store/${digit.repeat(32)}-x` as StorePath);
    const running = paths.map((path, index) => queue.realise([path], `/r/${index}`));
    const leaving = new AbortController();
    const queued = queue.realise([A], '/r/a', { signal: leaving.signal });
    await settle();
    leaving.abort();
    await assert.rejects(queued, { code: 'Cancelled' });
    assert.equal(queue.inFlight().length, 2);
    call(0).finish();
    call(1).finish();
    await Promise.all(running);
    await settle();
    assert.equal(store.calls.length, 2);
  });

  it('keeps the place of a client whose patience ends, for a while', async () => {
    const running = numbered(2, '2').map((path, index) => queue.realise([path], `/r/${index}`));
    const first = queue.realise([A], '/r/a', { deadlineMs: 1000 });
    const later = queue.realise([B], '/r/b');
    await settle();
    mock.timers.tick(1000);
    await assert.rejects(first, { code: 'DeadlineExceeded', message: /it has waited for other downloads/ });
    mock.timers.tick(29_000);
    const retry = queue.realise([A], '/r/a', { deadlineMs: 1000 });
    await settle();
    call(0).finish();
    await running[0];
    await settle();
    assert.deepEqual(call(2).paths, [A]);
    for (const index of [1, 2]) call(index).finish();
    await Promise.all([...running, retry]);
    await settle();
    call(3).finish();
    await later;

    const all = numbered(2, '6').map((path, index) => queue.realise([path], `/s/${index}`));
    const gone = queue.realise([A], '/r/a', { deadlineMs: 1000 });
    await settle();
    mock.timers.tick(1000);
    await assert.rejects(gone, { code: 'DeadlineExceeded' });
    assert.equal(queue.inFlight().length, 3);
    mock.timers.tick(30_000);
    await settle();
    assert.equal(queue.inFlight().length, 2);
    for (const index of [4, 5]) call(index).finish();
    await Promise.all(all);
  });

  it('refuses more callers than may wait, but never its own work', async () => {
    queue = queueOn(store, { concurrency: 1, maxWaiting: 2 });
    const paths = numbered(4, '2');
    const all = paths.slice(0, 2).map((path, index) => queue.realise([path], `/r/${index}`));
    await assert.rejects(queue.realise([A], '/r/a'), {
      code: 'ResourceExhausted',
      message: `${A} is not asked for: 2 calls wait for Nix already, as many as nix.max_waiting allows; see what they wait for (nix-snapshotter status), and try again when some are through, or raise it`,
    });
    await assert.rejects(queue.realise(paths.slice(0, 1), '/r/b'), { code: 'ResourceExhausted' });
    all.push(queue.realise([B], '/r/own', { background: true }));
    for (const index of [0, 1, 2]) {
      await settle();
      call(index).finish();
    }
    await Promise.all(all);
    const next = queue.realise([A], '/r/a');
    await settle();
    call(3).finish();
    await next;
  });

  it('refuses no client because of its own work, however much of that waits', async () => {
    queue = queueOn(store, { concurrency: 1, maxWaiting: 2 });
    const own = numbered(3, '2').map((path, index) =>
      queue.realise([path], `/s/${index}`, { background: true }),
    );
    const asked = queue.realise([A], '/r/a');
    for (const index of [0, 1, 2, 3]) {
      await settle();
      call(index).finish();
    }
    await Promise.all([...own, asked]);
    assert.equal(call(1).root, '/r/a');
  });

  it('forgets a failure: the next try starts again', async () => {
    const first = queue.realise([A], '/r/1');
    const joined = queue.realise([A], '/r/2');
    await settle();
    call(0).fail(new StatusError('Unavailable', 'cache down'));
    await assert.rejects(first, { code: 'Unavailable' });
    await assert.rejects(joined, { code: 'Unavailable' });
    const second = queue.realise([A], '/r/3');
    await settle();
    call(1).finish();
    await second;
    assert.deepEqual([...store.roots], ['/r/3']);
  });

  it('starts nothing for a caller that has gone before', async () => {
    await assert.rejects(queue.realise([A], '/r/1', { signal: AbortSignal.abort() }), { code: 'Cancelled' });
    await settle();
    assert.equal(store.calls.length, 0);
    assert.deepEqual(queue.inFlight(), []);
  });

  it('stops everything when it is closed, and takes nothing more', async () => {
    const running = queue.realise([A], '/r/1');
    const late = assert.rejects(running, { code: 'Unavailable' });
    await settle();
    await queue.close();
    assert.equal(call(0).options.signal?.aborted, true);
    await late;
    await assert.rejects(queue.realise([B], '/r/2'), { code: 'Unavailable' });
  });
});
