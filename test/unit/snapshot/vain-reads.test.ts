import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { LayeredPart } from '../../../src/closure/layered.ts';
import type { StorePath } from '../../../src/closure/store-path.ts';
import { VainReads } from '../../../src/snapshot/vain-reads.ts';

const path = (name: string) => `/nix/store/${'0'.repeat(32)}-${name}` as StorePath;
const LENGTH = 1000;
const part = (...ranges: LayeredPart['ranges']): LayeredPart => ({
  closureInfo: path('closure-info'),
  ranges,
});

describe('VainReads', () => {
  it('lets each path be read four times, whatever parts it is in', () => {
    const reads = new VainReads({ max: 10, ttl: 60_000 });
    let read = 0;
    for (let last = LENGTH - 1; last > 0; last -= 1) {
      if (reads.isSpent(part([0, last]))) continue;
      reads.add(part([0, last]), LENGTH);
      read += last + 1;
    }
    assert.equal(read, 1000 + 999 + 998 + 997);
    assert.equal(reads.isSpent(part([996, 996], [999, 999])), true);
    assert.equal(reads.isSpent(part([997, 999])), false);
    assert.equal(reads.isSpent({ ...part([0, 999]), closureInfo: path('other') }), false);
  });

  it('takes a place beyond the list, and more reads at a time than are let in', () => {
    const reads = new VainReads({ max: 10, ttl: 60_000 });
    for (let at = 0; at < 257; at += 1) reads.add(part([0, 0]), LENGTH);
    assert.equal(reads.isSpent(part([0, 0])), true);
    assert.equal(reads.isSpent(part([999, 9_999_999])), false);
  });

  it('forgets after some time', async () => {
    const reads = new VainReads({ max: 10, ttl: 1 });
    for (let at = 0; at < 4; at += 1) reads.add(part([0, 0]), LENGTH);
    const until = performance.now() + 10_000;
    while (reads.isSpent(part([0, 0])) && performance.now() < until)
      await new Promise((resolve) => setImmediate(resolve));
    assert.equal(reads.isSpent(part([0, 0])), false);
  });
});
