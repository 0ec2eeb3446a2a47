import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { planNixLayer, type StoreEntry } from '../../../src/closure/nix-layer.ts';
import { LAYER_MARKER } from '../../../src/closure/recover.ts';
import { planRootLinks, resolveRootLink, type RootTree } from '../../../src/image/root-links.ts';
import { storePath } from './fixture.ts';

const DIRECTORY: StoreEntry = { kind: 'directory' };
const FILE: StoreEntry = { kind: 'file' };
const APP = storePath('app-1.0');
const nixLayer = planNixLayer(new Map([[APP, DIRECTORY]]), {
  kind: 'closure-info',
  path: storePath('closure-info'),
});
const tree: RootTree = {
  from: APP,
  entries: [
    { path: 'share/ü', entry: FILE },
    { path: 'bin', entry: DIRECTORY },
    { path: 'bin/tool', entry: FILE },
    { path: 'nix/var', entry: DIRECTORY },
  ],
};
const holding = (from: string, path: string, entry: StoreEntry): RootTree => ({
  from: storePath(from),
  entries: [{ path, entry }],
});

describe('planRootLinks', () => {
  it('links the files of a tree, in its directories', () => {
    assert.deepEqual(planRootLinks([tree], nixLayer), [
      { path: 'bin', entry: DIRECTORY },
      { path: 'bin/tool', entry: { kind: 'symlink', target: `${APP}/bin/tool` } },
      { path: 'nix', entry: DIRECTORY },
      { path: 'nix/var', entry: DIRECTORY },
      { path: 'share', entry: DIRECTORY },
      { path: 'share/ü', entry: { kind: 'symlink', target: `${APP}/share/ü` } },
    ]);
  });

  it('is nothing without a tree, or for an empty one', () => {
    assert.deepEqual(planRootLinks([], nixLayer), []);
    assert.deepEqual(planRootLinks([{ from: APP, entries: [] }], nixLayer), []);
  });

  it('does not depend on the order of what is put in, and puts parents first', () => {
    const file = fc.array(fc.constantFrom('a', 'b', 'c', 'a.b', 'a-b'), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(fc.uniqueArray(file, { selector: String }), (files) => {
        const entries = files.map((parts) => ({ path: parts.join('/'), entry: DIRECTORY }));
        const plan = planRootLinks([{ from: APP, entries }], nixLayer);
        assert.deepEqual(plan, planRootLinks([{ from: APP, entries: entries.toReversed() }], nixLayer));
        const seen = new Set(['']);
        for (const { path } of plan) {
          assert.ok(seen.has(path.split('/').slice(0, -1).join('/')), `parent of ${path} comes first`);
          seen.add(path);
        }
      }),
    );
  });

  it('joins directories, and names both claimants of any other path', () => {
    const other = holding('other', 'bin/tool', FILE);
    assert.equal(planRootLinks([tree, holding('other', 'bin/more', FILE)], nixLayer).length, 7);
    assert.throws(() => planRootLinks([tree, other], nixLayer), {
      code: 'InvalidArgument',
      message: new RegExp(`^/bin/tool .*${tree.from}.*${other.from}`),
    });
  });

  for (const [path, entry] of [
    ['nix', FILE],
    ['nix/store', FILE],
    [LAYER_MARKER, FILE],
    [LAYER_MARKER, DIRECTORY],
    [APP.slice(1), FILE],
    [`${APP.slice(1)}/bin/more`, FILE],
    ['nix/store/of-its-own', DIRECTORY],
  ] as const) {
    it(`leaves /${path} to the Nix layer (${entry.kind})`, () => {
      assert.throws(() => planRootLinks([holding('shadow', path, entry)], nixLayer), {
        code: 'InvalidArgument',
        message: /^\/nix.* is claimed by the Nix layer and by .*-shadow: /,
      });
    });
  }
});

describe('resolveRootLink', () => {
  it('follows a path at the root to the store', () => {
    const links = planRootLinks([tree], nixLayer);
    assert.equal(resolveRootLink(links, '/bin/tool'), `${APP}/bin/tool`);
    assert.equal(resolveRootLink(links, '/bin/other'), undefined);
    assert.equal(resolveRootLink(links, '/nix/store/x/y'), '/nix/store/x/y');
  });
});
