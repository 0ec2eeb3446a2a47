import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it, mock } from 'node:test';
import { silentLog } from '../../../src/log.ts';
import { KeptRoots } from '../../../src/nix/kept-roots.ts';

const GRACE_MS = 60_000;

describe('KeptRoots', () => {
  let kept: KeptRoots;
  let removed: string[];

  beforeEach(() => {
    mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1e12 });
    removed = [];
    const store = {
      removeRoot: (root: string) => {
        removed.push(root);
        return Promise.resolve();
      },
    };
    kept = new KeptRoots({ graceMs: GRACE_MS }, { store, log: silentLog });
  });
  afterEach(() => {
    kept.close();
    mock.timers.reset();
  });

  it('counts the grace period from when a root was needed last', () => {
    kept.keep('/r/new', 'a');
    kept.keep('/r/old', 'b', Date.now() - GRACE_MS + 1000);
    kept.keep('/r/future', 'c', Date.now() + 10 * GRACE_MS);
    mock.timers.tick(1000);
    assert.deepEqual(removed, ['/r/old']);
    mock.timers.tick(GRACE_MS - 1000);
    assert.deepEqual(removed, ['/r/old', '/r/new', '/r/future']);
  });

  it('releases before their time those that nobody has needed for some time', async () => {
    kept.keep('/r/1', 'a', Date.now() - 5000);
    kept.keep('/r/2', 'b');
    assert.equal(await kept.releaseOld(5000), 1);
    assert.deepEqual([removed, kept.roots()], [['/r/1'], ['/r/2']]);
  });
});
