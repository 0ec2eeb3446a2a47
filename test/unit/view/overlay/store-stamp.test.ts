import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, utimesSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { storeStamp } from '../../../../src/view/overlay/store-stamp.ts';

describe('storeStamp', () => {
  let store: string;
  before(() => {
    store = mkdtempSync(join(tmpdir(), 'stamp-'));
  });
  after(() => rmSync(store, { recursive: true }));

  it('stays while nothing appears or vanishes, and not longer', () => {
    utimesSync(store, 1000, 1000);
    const stamp = storeStamp(store);
    assert.equal(stamp, 1000_000_000_000n);
    assert.equal(storeStamp(store), stamp);
    mkdirSync(join(store, 'new'));
    assert.notEqual(storeStamp(store), stamp);
  });

  it('is none without a store', () => {
    assert.equal(storeStamp(join(store, 'nowhere')), undefined);
  });

  it('is none right after a change: the next one could have the same time', () => {
    const soon = Date.now() / 1000 + 60;
    utimesSync(store, soon, soon);
    assert.equal(storeStamp(store), undefined);
  });
});
