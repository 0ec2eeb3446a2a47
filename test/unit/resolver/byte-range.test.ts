import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseRange } from '../../../src/resolver/byte-range.ts';

describe('parseRange', () => {
  for (const [header, expected] of [
    [undefined, undefined],
    ['bytes=0-', { start: 0, end: 10 }],
    ['bytes=3-5', { start: 3, end: 6 }],
    ['bytes=3-99', { start: 3, end: 10 }],
    ['bytes=-4', { start: 6, end: 10 }],
    ['bytes=-99', { start: 0, end: 10 }],
    ['bytes=-0', 'unsatisfiable'],
    ['bytes=10-', 'unsatisfiable'],
    ['bytes=5-3', undefined],
    ['bytes=-', undefined],
    ['bytes=0-1,3-4', undefined],
    ['items=0-1', undefined],
    ['bytes=a-b', undefined],
  ] as const) {
    it(`of ${header ?? 'nothing'}`, () => assert.deepEqual(parseRange(header, 10), expected));
  }

  it('of nothing at all has no part', () => assert.equal(parseRange('bytes=0-', 0), 'unsatisfiable'));
});
