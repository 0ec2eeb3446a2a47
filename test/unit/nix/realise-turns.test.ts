import assert from 'node:assert/strict';
import { beforeEach, describe, it, mock } from 'node:test';
import type { StorePath } from '../../../src/closure/store-path.ts';
import { NOTHING_YET } from '../../../src/nix/realise-job.ts';
import type { RealiseQueue } from '../../../src/nix/realise-queue.ts';
import { A, HeldStore, numbered, queueOn, settle } from './held-store.ts';

let store: HeldStore;
let queue: RealiseQueue;
const call = (index: number) => store.call(index);

describe('the turns of a RealiseQueue', () => {
  beforeEach((context) => {
    if (!('after' in context)) throw new Error('no test context');
    mock.timers.enable({ apis: ['setTimeout'] });
    context.after(() => mock.timers.reset());
    store = new HeldStore();
    queue = queueOn(store);
  });

  it('runs no more than its concurrency', async () => {
    const paths = ['2', '3', '4'].map((digit) => `/nix/store/${digit.repeat(32)}-x` as StorePath);
    const all = paths.map((path, index) => queue.realise([path], `/r/${index}`));
    await settle();
    assert.equal(store.calls.length, 2);
    assert.deepEqual(
      queue.inFlight().map(({ state }) => state),
      ['running', 'running', 'queued'],
    );
    call(0).finish();
    await all[0];
    await settle();
    call(1).finish();
    call(2).finish();
    await Promise.all(all);
  });

  it('roots what is there without a turn', async () => {
    const running = numbered(2, '2').map((path, index) => queue.realise([path], `/r/${index}`));
    await settle();
    store.there.add(A);
    const ready = queue.realise([A], '/r/a');
    await settle();
    assert.deepEqual(call(2).paths, [A]);
    call(2).finish();
    await ready;
    for (const index of [0, 1]) call(index).finish();
    await Promise.all(running);
  });

  it('lets a small closure pass any number of large ones', async () => {
    queue = queueOn(store, { concurrency: 1, long: 2 });
    const large = numbered(4, '2').map((path, index) => queue.realise([path], `/r/${index}`));
    for (const index of [0, 1, 2, 3]) {
      await settle();
      call(index).options.onProgress?.({ ...NOTHING_YET, bytesTotal: 1e9 });
    }
    await settle();
    assert.deepEqual(
      store.calls.map(({ options }) => options.signal?.aborted),
      [false, false, true, true],
    );
    const small = queue.realise([A], '/r/a');
    await settle();
    assert.deepEqual(call(4).paths, [A]);
    call(4).finish();
    await small;
    call(1).finish();
    await large[1];
    await settle();
    assert.deepEqual([call(5).paths, store.calls.length], [call(2).paths, 6]);
    for (const index of [0, 5]) call(index).finish();
    await settle();
    call(6).finish();
    await Promise.all(large);
  });

  it('does so with those that take long, whatever their size', async () => {
    queue = queueOn(store, { concurrency: 1, long: 1 });
    const slow = numbered(2, '2').map((path, index) => queue.realise([path], `/r/${index}`));
    await settle();
    assert.equal(store.calls.length, 1);
    mock.timers.tick(5000);
    await settle();
    assert.equal(store.calls.length, 2);
    mock.timers.tick(5000);
    const small = queue.realise([A], '/r/a');
    await settle();
    assert.equal(store.calls.length, 2, 'there is no room among the long ones');
    call(0).finish();
    await slow[0];
    await settle();
    assert.deepEqual(call(2).paths, [A]);
    for (const index of [1, 2]) call(index).finish();
    await Promise.all([slow[1], small]);
  });

  it('takes those that somebody waits for first', async () => {
    const running = numbered(2, '2').map((path, index) => queue.realise([path], `/r/${index}`));
    const own = numbered(3, '4').map((path, index) =>
      queue.realise([path], `/s/${index}`, { background: true }),
    );
    const asked = queue.realise([A], '/r/a');
    queue.hurry(numbered(3, '4').slice(2));
    for (const index of [0, 1, 2, 3, 4, 5]) {
      await settle();
      call(index).finish();
    }
    await Promise.all([...running, ...own, asked]);
    assert.deepEqual(
      store.calls.slice(2).map(({ root }) => root),
      ['/s/2', '/r/a', '/s/0', '/s/1'],
    );
  });
});
