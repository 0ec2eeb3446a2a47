import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { describe, it, type TestContext } from 'node:test';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { extract, type Header, pack } from 'tar-stream';
import { StatusError } from '../../../src/errors.ts';
import { buildImage } from '../../../src/image/build.ts';
import { parseManifest } from '../../../src/image/descriptor.ts';
import { readFakeRoot } from '../../../src/image/fake-root.ts';
import { openImages } from '../../../src/image/open-images.ts';
import { parsePerms } from '../../../src/image/perms.ts';
import { StoreFiles } from '../../../src/image/store-files.ts';
import { fixedNix, makeStore, storePath, tempDir } from './fixture.ts';

const ROOT = storePath('root');
const LIB = storePath('lib');

async function setUp(t: TestContext) {
  const dir = await tempDir(t);
  const realStoreDir = await makeStore(dir, {
    [`${ROOT}/etc/shadow`]: 'secret',
    [`${ROOT}/etc/motd`]: 'hello',
    [`${ROOT}/etc/mtab`]: { link: '/proc/mounts' },
    [`${ROOT}/home/app`]: undefined,
    [`${LIB}/data`]: '',
  });
  const out = join(dir, 'out.tar');
  const build = async (inputs: { perms?: unknown; fakeRoot?: Buffer; cmd?: string; user?: string }) => {
    const perms = join(dir, 'perms.json');
    const fakeRoot = join(dir, 'fake-root.tar');
    if (inputs.perms !== undefined) await writeFile(perms, JSON.stringify(inputs.perms));
    if (inputs.fakeRoot !== undefined) await writeFile(fakeRoot, inputs.fakeRoot);
    const { warnings } = await buildImage(
      {
        out,
        ref: 'localhost/app:1',
        format: 'oci-archive',
        compression: 'none',
        config: {
          Cmd: [inputs.cmd ?? '/etc/motd'],
          ...(inputs.user === undefined ? {} : { User: inputs.user }),
        },
        copyToRoot: [ROOT],
        storePaths: [],
        annotate: 'closure',
        layered: false,
        platform: { os: 'linux', architecture: 'amd64' },
        ...(inputs.perms === undefined ? {} : { perms }),
        ...(inputs.fakeRoot === undefined ? {} : { fakeRoot }),
      },
      { store: new StoreFiles({ realStoreDir }), nix: fixedNix([LIB, ROOT]) },
    );
    await using set = await openImages(out);
    const [image] = set.images;
    assert.ok(image);
    const layers = [];
    for (const layer of parseManifest(await set.read(image.target), out).layers ?? [])
      layers.push(await buffer(await set.open(layer)));
    return { warnings, layers };
  };
  return { dir, build };
}

async function membersOf(tar: Buffer | undefined) {
  const members = new Map<string, { header: Header; content: string }>();
  const reader = extract();
  reader.end(tar);
  for await (const entry of reader)
    members.set(entry.header.name.replace(/\/$/, ''), {
      header: entry.header,
      content: (await buffer(entry)).toString(),
    });
  return members;
}

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

describe('build --perms', () => {
  it('puts what matches into the image with its owner and mode, in place of a link; a later one adds to it', async (t) => {
    const { build } = await setUp(t);
    const { layers } = await build({
      perms: [
        { path: ROOT, regex: '/etc/', mode: '0644' },
        {
          path: ROOT,
          regex: '/etc/shadow$',
          mode: '4640',
          uid: 3_000_000,
          gid: 42,
          uname: 'app',
          gname: 'shadow',
        },
        { path: ROOT, regex: 'motd', mode: '0000', uid: 7 },
        { path: ROOT, regex: '/home/app$', mode: '0700', uid: 1000, gid: 1000 },
      ],
    });
    const members = await membersOf(layers[1]);
    const shadow = members.get('etc/shadow');
    assert.equal(shadow?.content, 'secret');
    const { mode, gid, uname, gname, pax } = shadow?.header ?? {};
    assert.deepEqual({ mode, gid, uname, gname }, { mode: 0o4640, gid: 42, uname: 'app', gname: 'shadow' });
    // Too large for the header itself.
    assert.equal((pax as Record<string, string> | undefined)?.['uid'], '3000000');
    const motd = members.get('etc/motd')?.header;
    assert.deepEqual([motd?.mode, motd?.uid], [0, 7]);
    assert.equal(members.get('etc/motd')?.content, 'hello');
    assert.equal(members.get('etc/mtab')?.header.linkname, '/proc/mounts');
    const home = members.get('home/app')?.header;
    assert.deepEqual([home?.type, home?.mode, home?.uid], ['directory', 0o700, 1000]);
    assert.deepEqual([members.get('home')?.header.mode, members.get('home')?.header.uid], [0o755, 0]);
  });

  it('leaves a layer without a match as it is', async (t) => {
    const { build } = await setUp(t);
    const perms = [{ path: ROOT, regex: '^/nowhere' }];
    assert.deepEqual(await build({ perms }), await build({}));
  });

  it('refuses perms for what containers see in the store', async (t) => {
    const { build } = await setUp(t);
    await assert.rejects(build({ perms: [{ path: LIB, regex: '' }] }), {
      code: 'InvalidArgument',
      message: /perms for \S+-lib: it is not among copy-to-root/,
    });
  });

  for (const [item, message] of [
    [{ path: '/etc', regex: '' }, /perms.json: 0.path: "\/etc" is not a store path/],
    [{ path: ROOT, regex: '(' }, /0.regex: "\(" is no regular expression/],
    [{ path: ROOT, regex: '', mode: '0999' }, /0.mode: is not octal/],
    [{ path: ROOT, regex: '', mode: 493 }, /0.mode/],
    [{ path: ROOT, regex: '', uid: -1 }, /0.uid/],
    [{ path: ROOT, regex: '', uid: 2 ** 32 }, /0.uid/],
    [{ path: ROOT, regex: '', uname: 'a\nb' }, /0.uname: is no user name/],
    [{ path: ROOT, regex: '', owner: 1 }, /0.owner/],
    [{ regex: '' }, /0.path/],
  ] as const) {
    it(`refuses ${JSON.stringify(item)}`, () => {
      const bytes = Buffer.from(JSON.stringify([item]));
      assert.throws(() => parsePerms(bytes, 'perms.json'), { code: 'InvalidArgument', message });
    });
  }

  it('takes slashes at the end of a path, and any number of them anywhere in linear time', () => {
    const [perm] = parsePerms(Buffer.from(JSON.stringify([{ path: `${ROOT}//`, regex: '' }])), 'perms.json');
    assert.equal(perm?.path, ROOT);
    const many = Buffer.from(JSON.stringify([{ path: `${'/'.repeat(100_000)}x`, regex: '' }]));
    const started = performance.now();
    assert.throws(() => parsePerms(many, 'perms.json'), /is not a store path/);
    assert.ok(performance.now() - started < 2000);
  });

  it('takes any JSON as perms, or refuses it in words', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        try {
          assert.ok(Array.isArray(parsePerms(Buffer.from(text), 'perms.json')));
        } catch (error) {
          assert.ok(error instanceof StatusError, String(error));
          assert.equal(error.code, 'InvalidArgument');
        }
      }),
    );
  });
});

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
