import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { type Header, pack } from 'tar-stream';
import { StatusError } from '../../../src/errors.ts';
import { readFakeRoot } from '../../../src/image/fake-root.ts';
import { tempDir } from './fixture.ts';
import { LIB, setUp } from './root-content.ts';

type Members = readonly (Partial<Header> & { readonly name: string })[];

async function tarOf(members: Members): Promise<Buffer> {
  const tar = pack();
  for (const header of members) {
    if (header.type === 'file' || header.type === undefined) tar.entry(header, 'content');
    else tar.entry(header);
  }
  tar.finalize();
  return await buffer(tar);
}

describe('build --fake-root', () => {
  it('is the topmost layer, byte for byte', async (t) => {
    const { build } = await setUp(t);
    const tar = await tarOf([
      { name: './', type: 'directory', mode: 0o755 },
      { name: './nix/', type: 'directory', mode: 0o755 },
      { name: './nix/store/', type: 'directory', mode: 0o555 },
      { name: './etc/passwd', uid: 5, mode: 0o600 },
      { name: './etc/passwd-', type: 'link', linkname: './etc/passwd' },
      { name: './dev/null', type: 'character-device', devmajor: 1, devminor: 3 },
      { name: './bin/app', mode: 0o4755 },
      { name: './outside', type: 'symlink', linkname: '/etc/../../x' },
    ]);
    const inputs = { cmd: '/bin/app', user: 'app' };
    assert.match((await build(inputs)).warnings.join('\n'), /is not in the image[^]*no \/etc\/passwd/);
    const plain = await build({ ...inputs, fakeRoot: tar });
    assert.equal(plain.layers.length, 3);
    assert.deepEqual(plain.layers[2], tar);
    assert.deepEqual(plain.warnings, []);
    assert.deepEqual(await build({ ...inputs, fakeRoot: gzipSync(tar) }), plain);
  });

  for (const [name, members, message] of [
    ['a name that leads out', [{ name: '../x' }], /leads out of the archive/],
    ['an absolute name', [{ name: '/etc/x' }], /leads out of the archive/],
    ['a file of the store', [{ name: `${LIB.slice(1)}/data` }], /lies in \/nix\/store/],
    [
      'a link in place of the store',
      [{ name: 'nix', type: 'symlink', linkname: '/x' }],
      /lies in \/nix\/store/,
    ],
    [
      'a file below a link',
      [{ name: 'x', type: 'symlink', linkname: 'nix' }, { name: 'x/store/y' }],
      /lies below x, which is no directory/,
    ],
    ['a whiteout', [{ name: 'etc/.wh.passwd' }], /begins with \.wh\./],
    ['a whiteout that is a directory', [{ name: 'etc/.wh.ssl/cert' }], /begins with \.wh\./],
    ['an opaque whiteout', [{ name: 'etc/.wh..wh..opq' }], /begins with .wh./],
    ["overlayfs's whiteout", [{ name: 'x', type: 'character-device' }], /device 0:0/],
    ['a file twice', [{ name: 'x' }, { name: './x' }], /is there twice/],
    [
      'a hard link to nothing before it',
      [{ name: 'x', type: 'link', linkname: 'y' }, { name: 'y' }],
      /hard link to "y", which is no file before it/,
    ],
    [
      'a hard link that leads out',
      [{ name: 'x', type: 'link', linkname: '../y' }],
      /leads out of the archive/,
    ],
    [
      'a link in place of a directory before it',
      [{ name: 'etc/passwd' }, { name: './etc', type: 'symlink', linkname: 'tmp' }],
      /"\.\/etc" is no directory, but an entry before it lies below it/,
    ],
    [
      'a store that nobody can read',
      [{ name: 'nix/store/', type: 'directory', mode: 0o700 }],
      /"nix\/store\/" has mode 700 and owner 0:0, but leads to the store/,
    ],
    [
      'a store directory of somebody else',
      [{ name: 'nix/', type: 'directory', mode: 0o755, gid: 7 }],
      /"nix\/" has mode 755 and owner 0:7/,
    ],
    [
      'the same by an extension',
      [{ name: 'nix', type: 'directory', mode: 0o555, pax: { uid: '1000' } }],
      /"nix" has mode 555 and owner 1000:0/,
    ],
    [
      "overlayfs's opaque directory",
      [{ name: 'nix/', type: 'directory', pax: { 'SCHILY.xattr.trusted.overlay.opaque': 'y' } }],
      /"nix\/" has "SCHILY.xattr.trusted.overlay.opaque", by which overlayfs hides/,
    ],
    [
      'the same for users',
      [{ name: 'etc/', type: 'directory', pax: { 'SCHILY.xattr.user.overlay.redirect': '/x' } }],
      /user.overlay.redirect/,
    ],
    ['the mark of a Nix layer', [{ name: 'nix/.nix-snapshotter-layer' }], /is the mark of a Nix layer/],
    [
      'a name that nobody can unpack',
      [{ name: 'a/'.repeat(2100) }],
      /has a name of 4200 bytes: 4096 is the limit/,
    ],
    ['a file as root', [{ name: './', type: 'symlink', linkname: 'x' }], /is the root, but no directory/],
  ] as [string, Members, RegExp][]) {
    it(`refuses ${name}`, async (t) => {
      const dir = await tempDir(t);
      const file = join(dir, 'root.tar');
      await writeFile(file, await tarOf(members));
      await assert.rejects(readFakeRoot(file, join(dir, 'plain')), { code: 'InvalidArgument', message });
    });
  }

  it('refuses a header of more than a megabyte, and what is no tar, ends early or is not there', async (t) => {
    const dir = await tempDir(t);
    const file = join(dir, 'root.tar');
    const refused = async (bytes: Buffer, code: string, message: RegExp) => {
      await writeFile(file, bytes);
      await assert.rejects(readFakeRoot(file, join(dir, 'plain')), { code, message });
    };
    await refused(
      await tarOf([{ name: 'x', pax: { comment: 'x'.repeat(2 ** 20) } }]),
      'InvalidArgument',
      /tar extension/,
    );
    await refused(Buffer.alloc(1024, 'x'), 'InvalidArgument', /not a tar file/);
    await refused((await tarOf([{ name: 'x' }])).subarray(0, 700), 'DataLoss', /truncated/);
    await refused(gzipSync(Buffer.alloc(4096)).subarray(0, 20), 'DataLoss', /cannot be unpacked/);
    await assert.rejects(readFakeRoot(join(dir, 'absent'), ''), { code: 'NotFound' });
    await assert.rejects(readFakeRoot(dir, ''), { code: 'InvalidArgument', message: /is no file/ });
  });

  it('takes any bytes as headers, or refuses them in words', async (t) => {
    const dir = await tempDir(t);
    const file = join(dir, 'root.tar');
    const good = await tarOf([{ name: 'a/b' }, { name: 'c', type: 'symlink', linkname: 'd' }]);
    const change = fc.record({ at: fc.nat({ max: good.length - 1 }), byte: fc.nat({ max: 255 }) });
    await fc.assert(
      fc.asyncProperty(fc.array(change, { maxLength: 8 }), async (changes) => {
        const bytes = Buffer.from(good);
        for (const { at, byte } of changes) bytes[at] = byte;
        await writeFile(file, bytes);
        await readFakeRoot(file, join(dir, 'plain')).catch((error: unknown) =>
          assert.ok(error instanceof StatusError, String(error)),
        );
      }),
      { numRuns: 50 },
    );
  });
});
