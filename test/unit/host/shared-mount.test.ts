import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isShared } from '../../../src/host/shared-mount.ts';

const mountinfo = (...mounts: readonly (readonly [at: string, optional: string])[]) =>
  mounts.map(([at, optional]) => `36 35 98:0 / ${at} rw,noatime ${optional}- ext4 /dev/root rw\n`).join('');

describe('isShared', () => {
  it('asks the mount that holds the directory', () => {
    const table = mountinfo(['/', 'shared:1 '], ['/var/lib', ''], ['/var/lib/x', 'master:3 shared:2 ']);
    assert.ok(isShared('/srv/x', table));
    assert.ok(!isShared('/var/lib', table));
    assert.ok(!isShared('/var/lib/xy', table));
    assert.ok(isShared('/var/lib/x/y', table));
  });
  it('asks the upmost of two on one place, and none that follows another', () => {
    assert.ok(!isShared('/a', mountinfo(['/a', 'shared:1 '], ['/a', 'master:1 '])));
    assert.ok(isShared('/a', mountinfo(['/a', ''], ['/a', 'shared:1 '])));
  });
  it('knows escaped names', () => {
    assert.ok(isShared('/a b/c', mountinfo(['/', ''], ['/a\\040b', 'shared:1 '])));
  });
});
