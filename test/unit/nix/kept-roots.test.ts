import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it, mock } from 'node:test';
import { silentLog } from '../../../src/log.ts';
import { KeptRoots } from '../../../src/nix/kept-roots.ts';

const GRACE_MS = 60_000;

describe('KeptRoots', () => {
  let kept: KeptRoots;
  let removed: string[];
  let needed: Set<string>;
  const pass = async (milliseconds: number) => {
    mock.timers.tick(milliseconds);
    await new Promise(setImmediate);
  };

  beforeEach(() => {
    mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1e12 });
    removed = [];
    const store = {
      removeRoot: (root: string) => {
        removed.push(root);
        return Promise.resolve();
      },
    };
    needed = new Set();
    const isNeeded = async (root: string) => needed.has(root);
    kept = new KeptRoots({ graceMs: GRACE_MS }, { store, isNeeded, log: silentLog });
  });
  afterEach(() => {
    kept.close();
    mock.timers.reset();
  });

  it('counts the grace period from when a root was needed last', async () => {
    kept.keep('/r/new', 'a');
    kept.keep('/r/old', 'b', Date.now() - GRACE_MS + 1000);
    kept.keep('/r/future', 'c', Date.now() + 10 * GRACE_MS);
    await pass(1000);
    assert.deepEqual(removed, ['/r/old']);
    await pass(GRACE_MS - 1000);
    assert.deepEqual(removed, ['/r/old', '/r/new', '/r/future']);
  });

  it('keeps on what is needed, and asks again after the next grace period', async () => {
    kept.keep('/r/1', 'a');
    needed.add('/r/1');
    await pass(GRACE_MS);
    assert.deepEqual([removed, kept.roots()], [[], ['/r/1']]);
    assert.equal(await kept.releaseOld(0), 0);
    needed.clear();
    await pass(GRACE_MS);
    assert.deepEqual([removed, kept.roots()], [['/r/1'], []]);
  });

  it('releases before their time those that nobody has needed for some time', async () => {
    kept.keep('/r/1', 'a', Date.now() - 5000);
    kept.keep('/r/2', 'b');
    assert.equal(await kept.releaseOld(5000), 1);
    assert.deepEqual([removed, kept.roots()], [['/r/1'], ['/r/2']]);
  });
});
