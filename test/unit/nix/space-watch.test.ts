import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { silentLog } from '../../../src/log.ts';
import { SpaceWatch } from '../../../src/nix/space-watch.ts';

function watchOf(minFreePercent: number, directory = '/') {
  const calls: number[] = [];
  const release = () => {
    calls.push(1);
    return Promise.resolve(1);
  };
  const deps = { realStoreDir: () => Promise.resolve(directory), release, log: silentLog };
  return { watch: new SpaceWatch({ minFreePercent }, deps), calls };
}

describe('SpaceWatch', () => {
  it('releases while less is free than is asked for', async () => {
    const { watch, calls } = watchOf(100);
    await watch.look();
    await watch.look();
    assert.equal(calls.length, 2);
  });

  it('releases nothing for a share of nothing, nor where nobody can tell what is free', async () => {
    for (const { watch, calls } of [watchOf(0), watchOf(100, '/nowhere')]) {
      await watch.look();
      assert.equal(calls.length, 0);
    }
  });

  it('looks every minute', async (t) => {
    t.mock.timers.enable({ apis: ['setInterval'] });
    const released = Promise.withResolvers<number>();
    const deps = { realStoreDir: () => Promise.resolve('/'), log: silentLog };
    using watch = new SpaceWatch(
      { minFreePercent: 100 },
      {
        ...deps,
        release: () => {
          released.resolve(1);
          return released.promise;
        },
      },
    );
    watch.start();
    t.mock.timers.tick(60_000);
    await released.promise;
  });
});
