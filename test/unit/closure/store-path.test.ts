import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { parseLayerAnnotations } from '../../../src/closure/annotations.ts';
import { isStorePathName, parseStorePath, storePathName } from '../../../src/closure/store-path.ts';

const HASH = '0123456789abcdfghijklmnpqrsvwxyz';
const hash = fc.string({ unit: fc.constantFrom(...HASH.split('')), minLength: 32, maxLength: 32 });
const name = fc
  .string({ unit: fc.constantFrom(...'abXYZ019+-._?='.split('')), minLength: 1, maxLength: 211 })
  .filter((text) => !/^\.\.?(-|$)/.test(text));
const legal = fc.tuple(hash, name).map(([digits, rest]) => `/nix/store/${digits}-${rest}`);

describe('parseStorePath', () => {
  it('takes every legal path', () => {
    fc.assert(
      fc.property(legal, (path) => {
        const parsed = parseStorePath(path);
        assert.equal(parsed, path);
        assert.equal(parsed && storePathName(parsed), path.slice('/nix/store/'.length));
      }),
    );
  });

  it('takes nothing else: what it takes stays one component of the store directory', () => {
    const near = fc.tuple(legal, fc.string({ unit: 'binary' })).map(([path, tail]) => path + tail);
    const mangled = fc
      .tuple(legal, fc.nat(60), fc.string({ maxLength: 3 }))
      .map(([path, at, text]) => path.slice(0, at) + text + path.slice(at + 1));
    fc.assert(
      fc.property(fc.oneof(near, mangled, fc.string({ unit: 'binary' })), (text) => {
        const parsed = parseStorePath(text);
        if (parsed === undefined) return;
        assert.match(text, /^\/nix\/store\/[0-9a-z]{32}-[^/\0\n]+$/);
        assert.ok(Buffer.byteLength(text) <= '/nix/store/'.length + 33 + 211);
      }),
    );
  });

  const refused = [
    '',
    '/etc',
    '..',
    '/nix/store',
    '/nix/store/',
    '/nix/store/..',
    `/nix/store/${HASH}-`,
    `/nix/store/${HASH}`,
    `/nix/store/${HASH}-a/`,
    `/nix/store/${HASH}-a/bin`,
    `/nix/store/${HASH}-a\n`,
    `/nix/store//${HASH}-a`,
    `/nix/store/../store/${HASH}-a`,
    `/nix/store/${HASH.replace('0', 'e')}-a`,
    `/nix/store/${HASH.toUpperCase()}-a`,
    `/nix/store/${HASH}-.`,
    `/nix/store/${HASH}-..`,
    `/nix/store/${HASH}-..-a`,
    `/nix/store/${HASH}-${'a'.repeat(212)}`,
    `/nix/store/${HASH}-ä`,
    `nix/store/${HASH}-a`,
  ];
  for (const text of refused) {
    it(`refuses ${JSON.stringify(text.slice(0, 60))}`, () => assert.equal(parseStorePath(text), undefined));
  }

  it('takes a name of 211 characters', () => assert.ok(isStorePathName(`${HASH}-${'a'.repeat(211)}`)));
});

describe('parseLayerAnnotations', () => {
  const CLOSURE = 'containerd.io/snapshot/nix-closure';
  const LAYER = 'containerd.io/snapshot/nix-layer';
  const PATH = 'containerd.io/snapshot/nix-store-path.';

  it('is undefined for an ordinary layer', () => {
    assert.equal(parseLayerAnnotations(new Map([[`${PATH}0`, '/etc']])), undefined);
    assert.equal(parseLayerAnnotations(new Map([[LAYER, 'false']])), undefined);
  });

  it('reads a closureInfo path', () => {
    assert.deepEqual(parseLayerAnnotations(new Map([[CLOSURE, `/nix/store/${HASH}-c`]])), {
      kind: 'closure-info',
      path: `/nix/store/${HASH}-c`,
    });
  });

  it('reads the older format, sorted, each path once', () => {
    const labels = new Map([
      [LAYER, 'true'],
      [`${PATH}1`, `/nix/store/${HASH}-b`],
      [`${PATH}0`, `/nix/store/${HASH}-a`],
      [`${PATH}2`, `/nix/store/${HASH}-b`],
    ]);
    assert.deepEqual(parseLayerAnnotations(labels), {
      kind: 'paths',
      paths: [`/nix/store/${HASH}-a`, `/nix/store/${HASH}-b`],
    });
  });

  for (const value of ['/etc', '..', `/nix/store/${HASH}-a/`, `/nix/store/${HASH}-a/bin`, '']) {
    it(`refuses ${JSON.stringify(value)} by the name of its label`, () => {
      assert.throws(() => parseLayerAnnotations(new Map([[CLOSURE, value]])), {
        code: 'InvalidArgument',
        message: /nix-closure/,
      });
      assert.throws(
        () =>
          parseLayerAnnotations(
            new Map([
              [LAYER, 'true'],
              [`${PATH}7`, value],
            ]),
          ),
        { code: 'InvalidArgument', message: /nix-store-path\.7/ },
      );
    });
  }

  it('reads 50,000 labels, and refuses more', () => {
    const labels = new Map([[LAYER, 'true']]);
    for (let n = 0; n < 50_000; n++) labels.set(`${PATH}${n}`, `/nix/store/${HASH}-${n}`);
    const closure = parseLayerAnnotations(labels);
    assert.ok(closure?.kind === 'paths' && closure.paths.length === 50_000);
    labels.set(`${PATH}50000`, `/nix/store/${HASH}-50000`);
    assert.throws(() => parseLayerAnnotations(labels), {
      code: 'InvalidArgument',
      message: /50001 store paths/,
    });
  });
});
