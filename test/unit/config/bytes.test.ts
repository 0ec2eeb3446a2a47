import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formatBytes, parseBytes } from '../../../src/config/bytes.ts';

describe('sizes', () => {
  it('are read in decimal and binary units', () => {
    assert.equal(parseBytes('500MB'), 500_000_000);
    assert.equal(parseBytes('2GiB'), 2 ** 31);
    assert.equal(parseBytes('1.5 KiB'), 1536);
    assert.equal(parseBytes('0B'), 0);
  });

  it('are nothing else', () => {
    for (const text of ['', '5', 'GiB', '-1GiB', '1e3B', '1iB', '1 gib', '999999999TiB', '1GiB ']) {
      assert.equal(parseBytes(text), undefined, text);
    }
  });

  it('are shown in three digits', () => {
    assert.equal(formatBytes(0), '0 B');
    assert.equal(formatBytes(1023), '1020 B');
    assert.equal(formatBytes(1536), '1.5 KiB');
    assert.equal(formatBytes(2 ** 31), '2 GiB');
    assert.equal(formatBytes(123_456_789), '118 MiB');
  });
});
