import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { StorePath } from '../../../src/closure/store-path.ts';
import { PulledRoots } from '../../../src/store-image/pulled-roots.ts';

const path = (name: string): StorePath => `/nix/store/${'c'.repeat(32)}-${name}` as StorePath;
const roots = new PulledRoots({ directory: '/run/x.drv-y' });

describe('a link that an earlier run left', () => {
  it("is a build's with the links of its further outputs, or an evaluation's", () => {
    const build = roots.link([path('hello-1.drv')]);
    for (const link of [build, `${build}-dev`]) assert.equal(PulledRoots.buildRoot(link), build);
    const evaluation = roots.linkOfFlake('path:x#y');
    assert.equal(PulledRoots.buildRoot(evaluation), evaluation);
  });

  it('is of nothing that is built otherwise', () => {
    for (const paths of [[path('hello')], [path('drv')], [path('a.drv'), path('b')], [path('flake-0')]])
      assert.equal(PulledRoots.buildRoot(roots.link(paths)), undefined);
  });
});
