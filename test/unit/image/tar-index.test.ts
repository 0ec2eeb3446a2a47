import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, it, type TestContext } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { StatusError, type StatusCode } from '../../../src/errors.ts';
import { TarFiles } from '../../../src/image/tar-files.ts';
import { tarOf, tempDir, type TarMember } from './fixture.ts';

async function opened(t: TestContext, bytes: Uint8Array): Promise<TarFiles> {
  const file = join(await tempDir(t), 'x.tar');
  await writeFile(file, bytes);
  const files = await TarFiles.open(file);
  t.after(() => files[Symbol.asyncDispose]());
  return files;
}

function refused(code: StatusCode, words: RegExp) {
  return (error: unknown) => error instanceof StatusError && error.code === code && words.test(error.message);
}

describe('tar archive', () => {
  const long = `${'d/'.repeat(80)}${'n'.repeat(150)}`;

  for (const [kind, compress] of [
    ['plain', (bytes: Buffer) => bytes],
    ['gzip', (bytes: Buffer) => gzipSync(bytes)],
    ['zstd', (bytes: Buffer) => zstdCompressSync(bytes)],
  ] as const) {
    it(`${kind}: finds files where they lie`, async (t) => {
      const members = [{ name: './a', content: 'one' }, { name: long, content: 'two' }, { name: 'empty' }];
      const files = await opened(t, compress(await tarOf(members)));
      assert.deepEqual([...files.names()].toSorted(), ['a', long, 'empty'].toSorted());
      assert.equal(await text(await files.open('a')), 'one');
      assert.equal(await text(await files.open('a', 1)), 'ne');
      assert.equal(await text(await files.open(long)), 'two');
      assert.equal(await text(await files.open('empty')), '');
    });
  }

  it('follows links inside the archive', async (t) => {
    const files = await opened(
      t,
      await tarOf([
        { name: 'x/layer.tar', content: 'L' },
        { name: 'y/layer.tar', type: 'symlink', linkname: '../x/layer.tar' },
        { name: 'z', type: 'link', linkname: 'y/layer.tar' },
      ]),
    );
    assert.equal(await text(await files.open('z')), 'L');
  });

  const hostile: readonly (readonly [string, readonly TarMember[], StatusCode, RegExp])[] = [
    [
      'a name with ..',
      [{ name: '../../etc/passwd', content: 'x' }],
      'InvalidArgument',
      /\.\.\/\.\.\/etc\/passwd.*out of/,
    ],
    ['an absolute name', [{ name: '/etc/passwd', content: 'x' }], 'InvalidArgument', /etc\/passwd.*out of/],
    [
      'a link out',
      [{ name: 'a', type: 'symlink', linkname: '../../etc/passwd' }],
      'InvalidArgument',
      /"a" is a link/,
    ],
    [
      'an absolute link',
      [{ name: 'a/b/c', type: 'symlink', linkname: '/../x' }],
      'InvalidArgument',
      /"a\/b\/c" is a link/,
    ],
    [
      'a duplicate',
      [
        { name: 'a', content: '1' },
        { name: './a', content: '2' },
      ],
      'InvalidArgument',
      /"a" is there twice/,
    ],
    ['a device', [{ name: 'null', type: 'character-device' }], 'InvalidArgument', /"null" has tar type/],
  ];
  for (const [what, members, code, words] of hostile) {
    it(`refuses ${what}`, async (t) => {
      await assert.rejects(async () => opened(t, await tarOf(members)), refused(code, words));
    });
  }

  it('a cycle of links is no file', async (t) => {
    const files = await opened(
      t,
      await tarOf([
        { name: 'a', type: 'symlink', linkname: 'b' },
        { name: 'b', type: 'symlink', linkname: 'a' },
      ]),
    );
    assert.equal(await files.size('a'), undefined);
  });

  it('names the entry at which it was cut off', async (t) => {
    const whole = await tarOf([
      { name: 'first', content: 'x' },
      { name: 'second', content: 'y'.repeat(5000) },
    ]);
    await assert.rejects(
      opened(t, whole.subarray(0, 3000)),
      refused('DataLoss', /"second" says 5000 bytes.*truncated/),
    );
    await assert.rejects(
      opened(t, whole.subarray(0, 1024)),
      refused('DataLoss', /after entry "first".*truncated/),
    );
    await assert.rejects(opened(t, gzipSync(whole).subarray(0, 40)), refused('DataLoss', /unpacked as gzip/));
  });

  it('refuses a size beyond the end, octal and base-256', async (t) => {
    const tar = await tarOf([{ name: 'a', content: 'x' }]);
    for (const size of [
      Buffer.from('77777777777\0'),
      Buffer.from([0x80, 0, 0, 0, 0, 0x0f, 255, 255, 255, 255, 255, 255]),
    ]) {
      size.copy(tar, 124);
      fixChecksum(tar);
      await assert.rejects(opened(t, tar), refused('DataLoss', /"a" says \d+ bytes/));
    }
  });

  it('answers any bytes with an error or an archive, nothing else', async (t) => {
    const whole = await tarOf([
      { name: 'a', content: 'x' },
      { name: long, content: 'y' },
      { name: 'd', type: 'directory' },
    ]);
    const file = join(await tempDir(t), 'x.tar');
    const change = fc.record({ at: fc.nat(whole.length - 1), byte: fc.nat(255), sum: fc.boolean() });
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 8 }), async (changes) => {
        const bytes = Buffer.from(whole);
        for (const { at, byte, sum } of changes) {
          bytes[at] = byte;
          if (sum) fixChecksum(bytes, at - (at % 512));
        }
        await writeFile(file, bytes);
        try {
          await using files = await TarFiles.open(file);
          for (const name of files.names()) await text(await files.open(name));
        } catch (error) {
          assert.ok(error instanceof StatusError, String(error));
        }
      }),
      { numRuns: 300 },
    );
  });
});

function fixChecksum(tar: Buffer, at = 0): void {
  tar.fill(0x20, at + 148, at + 156);
  const sum = tar.subarray(at, at + 512).reduce((total, byte) => total + byte, 0);
  tar.write(`${sum.toString(8).padStart(6, '0')}\0 `, at + 148);
}
