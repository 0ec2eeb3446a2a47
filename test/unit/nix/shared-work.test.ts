import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { SharedWork } from '../../../src/nix/shared-work.ts';

/** Work that ends when it is told to, or stopped. */
function working(concurrency: number) {
  const begun: string[] = [];
  const stopped: string[] = [];
  const ends = new Map<string, (value: string) => void>();
  const work = new SharedWork({ concurrency }, async (key, signal) => {
    begun.push(key);
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    ends.set(key, resolve);
    signal.addEventListener('abort', () => {
      stopped.push(key);
      reject(new Error('stopped'));
    });
    return await promise;
  });
  return { work, begun, stopped, end: (key: string) => ends.get(key)?.(`${key}!`) };
}

describe('SharedWork', () => {
  it('does the same once for all who ask, and no more than some at a time', async () => {
    const { work, begun, end } = working(1);
    const asked = ['a', 'a', 'b'].map((key) => work.do(key, {}, key));
    await setTimeout(1);
    assert.deepEqual(begun, ['a']);
    assert.deepEqual(
      work.inFlight().map(({ paths, state, waiters }) => [...paths, state, waiters]),
      [
        ['a', 'running', 2],
        ['b', 'queued', 1],
      ],
    );
    end('a');
    await asked[0];
    await setTimeout(1);
    end('b');
    assert.deepEqual(await Promise.all(asked), ['a!', 'a!', 'b!']);
    assert.deepEqual(work.inFlight(), []);
    void work.do('a', {}, 'a').catch(() => {});
    await setTimeout(1);
    assert.deepEqual(begun, ['a', 'b', 'a']);
    await work.close();
  });

  it('stops what all who waited for have left, and begins anew for the next', async () => {
    const { work, begun, stopped, end } = working(2);
    const [one, other] = [new AbortController(), new AbortController()];
    const asked = [one, other].map(({ signal }) => work.do('a', { signal }, 'evaluate a'));
    const refused = asked.map((call) => assert.rejects(call, { code: 'Cancelled' }));
    await setTimeout(1);
    one.abort();
    await refused[0];
    assert.deepEqual(stopped, []);
    other.abort();
    await refused[1];
    assert.deepEqual(stopped, ['a']);
    const again = work.do('a', {}, 'a');
    await setTimeout(1);
    assert.deepEqual(begun, ['a', 'a']);
    end('a');
    assert.equal(await again, 'a!');
  });

  it('goes on after a deadline, for the retry; drops what has not begun', async () => {
    const { work, begun, stopped, end } = working(1);
    const first = work.do('a', { deadlineMs: 5 }, 'evaluate a');
    const queued = work.do('b', { deadlineMs: 5 }, 'evaluate b');
    await Promise.all([
      assert.rejects(first, {
        code: 'DeadlineExceeded',
        message: 'evaluate a: not finished; it goes on, and a retry joins it: deadline exceeded',
      }),
      assert.rejects(queued, { code: 'DeadlineExceeded', message: /^evaluate b: .*queued behind others/ }),
    ]);
    const retry = work.do('a', {}, 'a');
    end('a');
    assert.equal(await retry, 'a!');
    assert.deepEqual([begun, stopped], [['a'], []]);
  });

  it('tells who waits when it is closed', async () => {
    const { work, stopped } = working(1);
    const waits = assert.rejects(work.do('a', {}, 'a'), { code: 'Unavailable' });
    await setTimeout(1);
    await work.close();
    await waits;
    assert.deepEqual(stopped, ['a']);
    await assert.rejects(work.do('a', {}, 'a'), { code: 'Unavailable' });
  });
});
