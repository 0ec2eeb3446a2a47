import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { planMetadata } from '../../../../src/view/overlay/plan-metadata.ts';
import { entry } from './entry.ts';

describe('planMetadata', () => {
  it('redirects a directory, with its mode and time and no size', () => {
    const [planned] = planMetadata([entry('dir', { kind: 'directory', mode: 0o555, size: 4096 })]);
    assert.deepEqual(planned, {
      name: entry('dir').path.slice('/nix/store/'.length),
      kind: 'directory',
      mode: 0o555,
      mtime: 1,
      size: 0,
      attributes: { 'trusted.overlay.redirect': `/${entry('dir').path.slice('/nix/store/'.length)}` },
    });
  });

  it('says that the data of a file is in the store, and how much it is', () => {
    const [planned] = planMetadata([entry('file', { kind: 'file', mode: 0o444, size: 77 })]);
    assert.equal(planned?.size, 77);
    assert.deepEqual(Object.keys(planned.attributes), [
      'trusted.overlay.redirect',
      'trusted.overlay.metacopy',
    ]);
  });

  it('makes a link itself, with no attribute', () => {
    const [planned] = planMetadata([entry('link', { kind: 'symlink', linkTarget: '/nix/store/nowhere' })]);
    assert.deepEqual([planned?.linkTarget, planned?.attributes], ['/nix/store/nowhere', {}]);
  });
});
