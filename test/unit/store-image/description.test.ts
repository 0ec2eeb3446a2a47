import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inputsOf, parseDescription } from '../../../src/store-image/description.ts';

const path = (name: string): string => `/nix/store/${'b'.repeat(32)}-${name}`;
const MADE = {
  config: { Cmd: [`${path('hello')}/bin/hello`] },
  architecture: 'amd64',
  os: 'linux',
  'closure-path': path('closure-info'),
  'nix-store-paths': [path('hello'), path('libc')],
  'copy-to-roots': [path('etc')],
  'base-image': path('base.tar'),
};

describe('an image description', () => {
  it('is read as the Go version spells it', () => {
    const description = parseDescription(MADE, 'x');
    assert.deepEqual(description, {
      platform: { os: 'linux', architecture: 'amd64' },
      config: MADE.config,
      closureInfo: path('closure-info'),
      roots: [path('etc'), path('hello'), path('libc')],
      copyToRoots: [path('etc')],
      baseImage: path('base.tar'),
    });
    assert.ok(description);
    assert.deepEqual(inputsOf(description), [path('base.tar'), path('closure-info'), path('etc')]);
  });

  it('needs its paths where it has no closureInfo', () => {
    const { 'closure-path': _, ...rest } = MADE;
    const description = parseDescription(rest, 'x');
    assert.ok(description);
    assert.deepEqual(inputsOf(description), [path('base.tar'), path('etc'), path('hello'), path('libc')]);
  });

  for (const other of [
    undefined,
    null,
    [],
    'text',
    {},
    { config: {}, architecture: 'amd64', os: 'linux', rootfs: {} },
  ]) {
    it(`is not ${JSON.stringify(other) ?? 'undefined'}`, () =>
      assert.equal(parseDescription(other, 'x'), undefined));
  }

  for (const [what, wrong, word] of [
    [
      'a path outside the store',
      { ...MADE, 'closure-path': '/etc' },
      /x: closure-path: "\/etc" is not a store path/,
    ],
    [
      'a path below a store path',
      { ...MADE, 'copy-to-roots': [`${path('etc')}/x`] },
      /copy-to-roots: .* is not a store path/,
    ],
    ['no platform', { ...MADE, os: undefined }, /x: .*os/],
    ['a member that nobody knows', { ...MADE, layers: [] }, /layers/],
    [
      'nothing to run',
      { config: {}, architecture: 'amd64', os: 'linux', 'base-image': path('base.tar') },
      /names no store path/,
    ],
    ['a config that is none', { ...MADE, config: { Cmd: 'sh' } }, /x: config: .*Cmd/],
  ] as const) {
    it(`is refused with ${what}`, () => {
      assert.throws(() => parseDescription(wrong, 'x'), { code: 'InvalidArgument', message: word });
    });
  }
});
