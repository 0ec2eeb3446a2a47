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
  ] as const) {
    it(`is refused with ${what}`, () => {
      assert.throws(() => parseNix2container(wrong, 'x'), { code: 'InvalidArgument', message });
    });
  }
});
