import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import type { StorePath } from '../../../src/closure/store-path.ts';
import { bindsView } from '../../../src/view/binds.ts';
import type { PathKind, ViewEntry } from '../../../src/view/view.ts';
import { wholeStoreView } from '../../../src/view/whole-store.ts';

const HASH = '0123456789abcdfghijklmnpqrsvwxyz';
const kinds = fc.constantFrom<PathKind>('directory', 'file', 'symlink');
const entries = fc.array(
  fc.record({ name: fc.constantFrom('a', 'b', 'B', '+x', 'z=?', '_'), kind: kinds }).map(
    ({ name, kind }): ViewEntry => ({
      path: `/nix/store/${HASH}-${name}` as StorePath,
      kind,
      ...(kind === 'symlink' ? { linkTarget: '/nix/store/elsewhere' } : {}),
    }),
  ),
);

function entry(name: string, kind: PathKind, linkTarget?: string): ViewEntry {
  return {
    path: `/nix/store/${HASH}-${name}` as StorePath,
    kind,
    ...(linkTarget === undefined ? {} : { linkTarget }),
  };
}

describe('binds view', () => {
  it('binds each directory and file read-only, sorted, the last typed none', () => {
    const mounts = bindsView.mounts(
      [entry('b', 'file'), entry('a', 'directory'), entry('b', 'file')],
      '/real/store',
    );
    assert.deepEqual(mounts, [
      {
        type: 'bind',
        source: `/real/store/${HASH}-a`,
        target: `nix/store/${HASH}-a`,
        options: ['rbind', 'ro'],
      },
      {
        type: 'none',
        source: `/real/store/${HASH}-b`,
        target: `nix/store/${HASH}-b`,
        options: ['rbind', 'ro'],
      },
    ]);
  });

  it('shows a symlink as the symlink, without a bind', () => {
    const link = entry('l', 'symlink', '/nix/store/x/bin');
    assert.deepEqual(bindsView.mounts([link], '/nix/store'), []);
    assert.deepEqual(bindsView.mountPoints([link], new Map()), [
      { path: `nix/store/${HASH}-l`, kind: 'symlink', linkTarget: '/nix/store/x/bin' },
    ]);
  });

  it('asks for what the chain lacks, and for what it has of another kind', () => {
    const present = new Map<string, PathKind>([
      [`${HASH}-a`, 'directory'],
      [`${HASH}-b`, 'directory'],
      [`${HASH}-l`, 'directory'],
    ]);
    const wanted = [
      entry('l', 'symlink', 't'),
      entry('c', 'file'),
      entry('b', 'file'),
      entry('a', 'directory'),
    ];
    assert.deepEqual(
      bindsView.mountPoints(wanted, present).map(({ path, kind }) => [path, kind]),
      [
        [`nix/store/${HASH}-b`, 'file'],
        [`nix/store/${HASH}-c`, 'file'],
        [`nix/store/${HASH}-l`, 'symlink'],
      ],
    );
  });

  it('does not depend on the order of the closure, and shows each path once', () => {
    fc.assert(
      fc.property(entries, (some) => {
        const unique = [...new Map(some.map((one) => [one.path, one])).values()];
        const mounts = bindsView.mounts(unique, '/nix/store');
        assert.deepEqual(bindsView.mounts(unique.toReversed(), '/nix/store'), mounts);
        const targets = mounts.map(({ target }) => target);
        assert.deepEqual(targets, [...new Set(targets)].toSorted());
        assert.equal(mounts.filter(({ type }) => type === 'none').length, Math.min(1, mounts.length));
        assert.equal(mounts.at(-1)?.type ?? 'none', 'none');
        assert.ok(mounts.every(({ options }) => options.includes('ro')));
      }),
    );
  });

  it('needs nothing once its mount points are there', () => {
    fc.assert(
      fc.property(entries, (some) => {
        const unique = [...new Map(some.map((one) => [one.path, one])).values()];
        const made = bindsView.mountPoints(unique, new Map());
        const present = new Map(made.map(({ path, kind }) => [path.slice('nix/store/'.length), kind]));
        assert.deepEqual(bindsView.mountPoints(unique, present), []);
      }),
    );
  });
});

describe('whole-store view', () => {
  it('is one read-only bind of the store, typed none', () => {
    const some = [entry('a', 'directory'), entry('b', 'file')];
    assert.deepEqual(wholeStoreView.mounts(some, '/real'), [
      { type: 'none', source: '/real', target: 'nix/store', options: ['rbind', 'ro'] },
    ]);
    assert.deepEqual(wholeStoreView.mountPoints(some, new Map()), [{ path: 'nix/store', kind: 'directory' }]);
    assert.deepEqual(wholeStoreView.mountPoints(some, new Map([[`${HASH}-a`, 'file']])), []);
  });

  it('shows nothing to an image without a closure', () => {
    assert.deepEqual(wholeStoreView.mounts([], '/real'), []);
    assert.deepEqual(wholeStoreView.mountPoints([], new Map()), []);
  });
});
