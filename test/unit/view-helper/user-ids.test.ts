import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { idsOf, parseIdMap } from '../../../src/view-helper/user-ids.ts';

const HOST = parseIdMap('         0          0 4294967295\n');
const ALICE = parseIdMap('         0       1000          1\n         1     100000      65536\n');
const BOB = parseIdMap('         0       1001          1\n         1     165536      65536\n');

describe('parseIdMap', () => {
  it("reads the host's ids", () => {
    assert.deepEqual(ALICE, [
      { first: 1000, count: 1 },
      { first: 100_000, count: 65_536 },
    ]);
    assert.deepEqual(parseIdMap(''), []);
  });
});

describe('idsOf', () => {
  it('takes what a namespace of the user has beside the user, and parts of it', () => {
    const isOwn = idsOf(1000, [HOST, ALICE, BOB]);
    assert.ok(ALICE.every(isOwn));
    assert.ok(isOwn({ first: 101_000, count: 1000 }));
    assert.ok(isOwn({ first: 165_535, count: 1 }));
    for (const other of [HOST, BOB].flat()) assert.ok(!isOwn(other));
    assert.ok(!isOwn({ first: 165_000, count: 1000 }));
  });

  it('knows the user alone without any namespace', () => {
    const isOwn = idsOf(1000, [HOST]);
    assert.ok(isOwn({ first: 1000, count: 1 }));
    assert.ok(!isOwn({ first: 100_000, count: 1 }));
  });
});
