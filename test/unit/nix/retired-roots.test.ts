import assert from 'node:assert/strict';
import { lutimesSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it, mock } from 'node:test';
import { silentLog } from '../../../src/log.ts';
import { GcRoots } from '../../../src/nix/gc-roots.ts';
import { RetiredRoots } from '../../../src/nix/retired-roots.ts';

const GRACE_MS = 60_000;
const A = '/nix/store/00000000000000000000000000000000-a';
const B = '/nix/store/11111111111111111111111111111111-b';

describe('RetiredRoots', () => {
  let base: string;
  let gcRoots: GcRoots;
  let retired: RetiredRoots;
  let freed: () => Promise<void>;
  let told: number;

  const open = (graceMs = GRACE_MS) => {
    told = 0;
    retired = new RetiredRoots({ graceMs }, { gcRoots, retired: () => (told += 1), log: silentLog });
  };
  /** A root of which the time of the last use is `age` milliseconds ago. */
  const link = (id: number, target: string, age = 0) => {
    symlinkSync(target, gcRoots.link(id));
    const used = new Date(Date.now() - age);
    lutimesSync(gcRoots.link(id), used, used);
  };
  const links = () => readdirSync(gcRoots.directory).toSorted();
  /** Lets time pass, and waits for the removals that this starts. */
  const pass = async (milliseconds: number) => {
    mock.timers.tick(milliseconds);
    await freed();
  };

  beforeEach(() => {
    base = mkdtempSync(join(tmpdir(), 'retired-'));
    gcRoots = new GcRoots({ directory: join(base, 'gcroots') });
    mkdirSync(gcRoots.directory);
    const removals: Promise<void>[] = [];
    const remove = gcRoots.remove.bind(gcRoots);
    mock.method(gcRoots, 'remove', (id: number) => {
      const removal = remove(id);
      removals.push(removal);
      return removal;
    });
    freed = async () => {
      await new Promise(setImmediate);
      await Promise.all(removals);
    };
    mock.timers.enable({ apis: ['setTimeout', 'Date'], now: Date.now() });
    open();
  });
  afterEach(() => {
    retired.close();
    mock.reset();
    mock.timers.reset();
    rmSync(base, { recursive: true });
  });

  it('keeps a root for the grace period after the time noted on it, and no longer', async () => {
    link(1, A, 10_000);
    await retired.retire(1);
    await pass(GRACE_MS - 10_001);
    assert.deepEqual([links(), retired.count, retired.has(1)], [['1'], 1, true]);
    await pass(2);
    assert.deepEqual([links(), retired.count, retired.has(1)], [[], 0, false]);
  });

  it('counts the grace period on after a restart', async () => {
    link(1, A);
    await gcRoots.noteUse(1);
    await retired.retire(1);
    await pass(GRACE_MS / 2);
    retired.close();
    assert.deepEqual(links(), ['1']);
    open();
    await retired.retire(1);
    await pass(GRACE_MS / 2 - 1);
    assert.deepEqual(links(), ['1']);
    await pass(2);
    assert.deepEqual(links(), []);
  });

  it('removes at once what was used longer ago, and everything when there is no grace period', async () => {
    link(1, A, GRACE_MS + 1);
    await retired.retire(1);
    assert.deepEqual(links(), []);
    open(0);
    link(2, A);
    await retired.retire(2);
    assert.deepEqual([links(), retired.count], [[], 0]);
  });

  it('keeps no longer than the grace period what was used in the future: the clock was set back', async () => {
    link(1, A, -10 * GRACE_MS);
    await retired.retire(1);
    await pass(GRACE_MS + 1);
    assert.deepEqual(links(), []);
  });

  it('keeps one root for a closure, the one that was used last', async () => {
    link(1, A, 20_000);
    link(2, B, 20_000);
    link(3, A, 10_000);
    link(4, A, 30_000);
    for (const id of [1, 2, 3, 4, 3]) await retired.retire(id);
    assert.deepEqual([links(), retired.count], [['2', '3'], 2]);
    await pass(GRACE_MS - 20_000 + 1);
    assert.deepEqual(links(), ['3']);
  });

  it('takes a root that is not there for none', async () => {
    await retired.retire(7);
    assert.equal(retired.count, 0);
  });

  it('lets all go when told', async () => {
    link(1, A);
    link(2, B);
    await retired.retire(1);
    await retired.retire(2);
    assert.equal(told, 2);
    assert.equal(await retired.releaseAll(), 2);
    assert.deepEqual([links(), retired.count], [[], 0]);
    assert.equal(await retired.releaseAll(), 0);
  });
});
