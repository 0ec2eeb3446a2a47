import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  LAYERED_CLOSURE_ANNOTATION as CLOSURE,
  LAYERED_PATHS_ANNOTATION as PATHS,
  layeredAnnotations,
  parseLayeredAnnotations,
  pathsOfPart,
} from '../../../src/closure/layered.ts';
import type { StorePath } from '../../../src/closure/store-path.ts';

const HASH = '0123456789abcdfghijklmnpqrsvwxyz';
const path = (name: string) => `/nix/store/${HASH}-${name}` as StorePath;
const INFO = path('closure-info');
const LIST = ['a', 'b', 'c', 'd', 'e'].map(path);

describe('annotations of a layer that holds store paths', () => {
  it('name the paths by their places in the list of the closure', () => {
    assert.deepEqual(layeredAnnotations(INFO, LIST, new Set([path('a'), path('b'), path('d')])), {
      [CLOSURE]: INFO,
      [PATHS]: '0-1,3',
    });
  });

  it('give back the paths that they were made of', () => {
    fc.assert(
      fc.property(fc.subarray(LIST, { minLength: 1 }), (held) => {
        const labels = new Map(Object.entries(layeredAnnotations(INFO, LIST, new Set(held))));
        const part = parseLayeredAnnotations(labels);
        assert.ok(part !== undefined);
        assert.equal(part.closureInfo, INFO);
        assert.deepEqual(pathsOfPart(LIST, part), held);
      }),
    );
  });

  it('are none of an ordinary or a Nix layer', () => {
    assert.equal(parseLayeredAnnotations(new Map([[PATHS, '0']])), undefined);
    assert.equal(parseLayeredAnnotations(new Map([['containerd.io/snapshot/nix-closure', INFO]])), undefined);
  });

  for (const [closure, paths, message] of [
    ['/etc', '0', /nix-layered-closure: "\/etc" is not a store path/],
    ...['', '-1', '1-', '01', '2-1', '1,0', '0,0', '0-2,2', '1.5', '99999999', '0 ', 'x'].map(
      (text) => [INFO, text, /nix-layered-paths: ".*" is not a list of places/] as const,
    ),
  ] as const) {
    it(`are refused: ${closure} ${JSON.stringify(paths)}`, () => {
      const labels = new Map([
        [CLOSURE, closure],
        [PATHS, paths],
      ]);
      assert.throws(() => parseLayeredAnnotations(labels), { code: 'InvalidArgument', message });
    });
  }

  it('are refused where they are long, or name a place beyond the list', () => {
    const long = Array.from({ length: 2000 }, (_, at) => at * 2).join(',');
    const labels = new Map([
      [CLOSURE, INFO],
      [PATHS, long],
    ]);
    assert.throws(() => parseLayeredAnnotations(labels), { code: 'InvalidArgument' });
    const beyond = parseLayeredAnnotations(labels.set(PATHS, '3-5'));
    assert.ok(beyond !== undefined);
    assert.throws(() => pathsOfPart(LIST, beyond), { message: /"5" is beyond the list of 5 paths/ });
  });
});
