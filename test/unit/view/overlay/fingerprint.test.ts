import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fingerprint, viewKey } from '../../../../src/view/overlay/fingerprint.ts';
import { entry } from './entry.ts';

describe('viewKey', () => {
  it('is one for each closure, in either way to name it', () => {
    const { path } = entry('one');
    const keys = [
      viewKey({ kind: 'closure-info', path }),
      viewKey({ kind: 'paths', paths: [path] }),
      viewKey({ kind: 'paths', paths: [path, entry('two').path] }),
    ];
    assert.equal(new Set(keys).size, 3);
    assert.equal(viewKey({ kind: 'closure-info', path }), keys[0]);
    for (const key of keys) assert.match(key, /^[0-9a-f]{32}$/);
  });
});

describe('fingerprint', () => {
  const now = fingerprint([entry('a'), entry('b')], '/nix/store');
  for (const [what, change] of Object.entries({
    'is another inode': { inode: 11 },
    'was made anew with the same inode': { born: 2000 },
    'is of another kind': { kind: 'file' },
    'has another mode': { mode: 0o755 },
    'has another size': { size: 1 },
  } as const)) {
    it(`changes when a path ${what}`, () => {
      assert.notEqual(fingerprint([entry('a'), entry('b', change)], '/nix/store'), now);
    });
  }
  it('changes with the store, and with nothing else', () => {
    assert.notEqual(fingerprint([entry('a'), entry('b')], '/other/store'), now);
    assert.equal(fingerprint([entry('a'), entry('b', { mtime: 7 })], '/nix/store'), now);
  });
});
