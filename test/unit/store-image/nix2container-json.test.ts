import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inputsOf, parseNix2container } from '../../../src/store-image/nix2container-json.ts';

const path = (name: string): string => `/nix/store/${'b'.repeat(32)}-${name}`;
const DIGEST = `sha256:${'1'.repeat(64)}`;
const layer = (fields: object): object => ({
  digest: DIGEST,
  size: 10240,
  diff_ids: DIGEST,
  mediatype: 'application/vnd.oci.image.layer.v1.tar',
  History: {},
  ...fields,
});
const many = <T>(length: number, item: T): T[] => Array.from({ length }, () => item);
const withOptions = (options: object[]): object => ({
  ...MADE,
  layers: [layer({ paths: options.map((each) => ({ path: path('x'), options: each })) })],
});
const MADE = {
  version: 1,
  'image-config': { Cmd: [`${path('hello')}/bin/hello`] },
  arch: 'arm64',
  created: '0001-01-01T00:00:00Z',
  layers: [
    layer({ 'layer-path': `${path('layers.json')}/x.tar` }),
    layer({
      paths: [{ path: path('libc') }, { path: path('etc'), options: { rewrite: { regex: 'a', repl: 'b' } } }],
    }),
    layer({
      paths: [
        {
          path: path('tmp'),
          options: {
            rewrite: { regex: '', repl: '' },
            perms: [{ regex: '.*', mode: '0664', orMode: '', uid: 1 }],
          },
        },
      ],
    }),
  ],
};

describe("nix2container's JSON", () => {
  it('is read as its types say', () => {
    const image = parseNix2container(MADE, 'x');
    assert.ok(image);
    assert.equal(image.architecture, 'arm64');
    assert.deepEqual(image.paths, [path('libc')]);
    assert.deepEqual(image.ordinary, [
      {
        file: `${path('layers.json')}/x.tar`,
        digest: DIGEST,
        size: 10240,
        diffId: DIGEST,
        mediaType: 'application/vnd.oci.image.layer.v1.tar',
      },
      [{ path: path('etc'), rewrite: { regex: 'a', repl: 'b' }, perms: [] }],
      [{ path: path('tmp'), perms: [{ regex: '.*', mode: 0o664, uid: 1, gid: 0 }] }],
    ]);
    assert.deepEqual(inputsOf(image), ['etc', 'hello', 'layers.json', 'libc', 'tmp'].map(path));
  });

  it('may be as large as its limits', () => {
    const most = withOptions(
      many(20, { perms: many(49, { regex: 'a{250}' }), ignoreDestination: 'x'.repeat(1000) }),
    );
    assert.equal(parseNix2container(most, 'x')?.ordinary.flat().length, 20);
  });

  for (const other of [undefined, null, [], {}, { config: {}, layers: [] }]) {
    it(`is not ${JSON.stringify(other) ?? 'undefined'}`, () =>
      assert.equal(parseNix2container(other, 'x'), undefined));
  }

  for (const [what, wrong, message] of [
    ['another version', { ...MADE, version: 2 }, /x: .*version.*only version 1/],
    [
      'a layer outside the store',
      { ...MADE, layers: [layer({ 'layer-path': '/etc/shadow' })] },
      /layer-path: "\/etc\/shadow" is not in the store/,
    ],
    [
      'a layer that leaves the store',
      { ...MADE, layers: [layer({ 'layer-path': `${path('x')}/../../../etc/shadow` })] },
      /layer-path: .* is not in the store/,
    ],
    [
      'a path that is none',
      { ...MADE, layers: [layer({ paths: [{ path: '/etc' }] })] },
      /layers: path: "\/etc"/,
    ],
    [
      'an option that nobody knows',
      { ...MADE, layers: [layer({ paths: [{ path: path('x'), options: { tar: 'y' } }] })] },
      /tar/,
    ],
    [
      'a mode that is none',
      {
        ...MADE,
        layers: [layer({ paths: [{ path: path('x'), options: { perms: [{ regex: '', mode: 'rwx' }] } }] })],
      },
      /octal/,
    ],
    [
      'more perms of a path than anybody needs',
      withOptions([{ perms: many(65, { regex: '' }) }]),
      /x: layers\.0\.paths\.0\.options\.perms: has 65 items: 64 of one path is the limit/,
    ],
    [
      'more expressions than anybody needs',
      withOptions(many(16, { perms: many(63, { regex: '' }) })),
      /x: layers: 1008 regular expressions, 1000 in all is the limit/,
    ],
    [
      'more rewritten paths than anybody needs',
      withOptions(many(1001, { rewrite: { regex: 'a', repl: '' } })),
      /x: layers: 1001 paths with options, 1000 in all/,
    ],
    [
      'a long expression',
      withOptions([{ ignoreDestination: 'x'.repeat(1001) }]),
      /options\.ignoreDestination: has 1001 characters: 1000 is the limit/,
    ],
    [
      'an expression that repeats a lot',
      withOptions([{ rewrite: { regex: 'a{1,200}b{51}', repl: '' } }]),
      /rewrite\.regex: repeats by \{n\} 251 times: 250 in all is the limit/,
    ],
    [
      'a long replacement',
      withOptions([{ rewrite: { regex: 'a', repl: 'x'.repeat(1001) } }]),
      /rewrite\.repl: has 1001 characters: 1000 is the limit/,
    ],
    [
      'a user name that no tar header holds',
      withOptions([{ perms: [{ regex: '', uname: 'é'.repeat(16) }] }]),
      /perms\.0\.uname: has 32 bytes: 31 is the limit/,
    ],
  ] as const) {
    it(`is refused with ${what}`, () => {
      assert.throws(() => parseNix2container(wrong, 'x'), { code: 'InvalidArgument', message });
    });
  }
});
