import assert from 'node:assert/strict';
import { open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { tarHeaders } from '../../../src/image/tar-index.ts';
import { tempDir } from './fixture.ts';

const BLOCK = 512;

interface Raw {
  readonly name: string;
  readonly type?: string;
  readonly content?: string;
  /** Of the header; that of the content unless told. */
  readonly size?: string;
  readonly trailer?: string;
  readonly prefix?: string;
}

function raw({ name, type = '0', content = '', size, trailer = '', prefix = '' }: Raw): Buffer {
  const header = Buffer.alloc(BLOCK);
  header.write(name, 0);
  header.write('0000644\0', 100);
  header.write(size ?? `${content.length.toString(8).padStart(11, '0')}\0`, 124, 'latin1');
  header.write(type, 156);
  header.write('ustar\x0000', 257);
  header.write(prefix, 345);
  header.write(trailer, 508, 'latin1');
  header.fill(' ', 148, 156);
  header.write(
    `${header
      .reduce((sum, byte) => sum + byte, 0)
      .toString(8)
      .padStart(6, '0')}\0 `,
    148,
  );
  return Buffer.concat([
    header,
    Buffer.from(content),
    Buffer.alloc((BLOCK - (content.length % BLOCK)) % BLOCK),
  ]);
}

const pax = (...records: readonly (readonly [string, string])[]): Raw => ({
  name: 'PaxHeader',
  type: 'x',
  content: records.map(([key, value]) => record(key, value)).join(''),
});

function record(key: string, value: string): string {
  let length = key.length + value.length + 4;
  while (`${length} ${key}=${value}\n`.length !== length) length += 1;
  return `${length} ${key}=${value}\n`;
}

async function read(t: TestContext, members: readonly Raw[]): Promise<readonly string[]> {
  const file = join(await tempDir(t), 'x.tar');
  const bytes = Buffer.concat([...members.map(raw), Buffer.alloc(2 * BLOCK)]);
  await writeFile(file, bytes);
  await using handle = await open(file);
  const found: string[] = [];
  for await (const { header } of tarHeaders(handle, bytes.length, 'x.tar'))
    found.push(`${header.type} ${header.name} ${header.size}`);
  return found;
}

/** As Go's archive/tar reads them, by which containerd unpacks. */
describe('a tar that readers might read differently', () => {
  for (const [what, members, found] of [
    [
      'a link has no bytes behind it, whatever it says',
      [{ name: 'a', type: '2', size: '00000001000\0' }, { name: 'b' }],
      ['2 a 0', '0 b 0'],
    ],
    [
      'a number may begin with NULs',
      [{ name: 'a', size: '\x000000000005\0', content: 'five!' }, { name: 'b' }],
      ['0 a 5', '0 b 0'],
    ],
    [
      'an old file with a slash is a directory',
      [{ name: 'a/', type: '\0', size: '00000001000\0' }],
      ['5 a/ 0'],
    ],
    [
      "the first part of star's name is shorter",
      [{ name: 'b', prefix: `${'p'.repeat(131)}q`, trailer: 'tar\0' }],
      [`0 ${'p'.repeat(131)}/b 0`],
    ],
    ['an empty record changes nothing', [pax(['path', '']), { name: 'a' }], ['0 a 0']],
  ] as const) {
    it(`is read as Go reads it: ${what}`, async (t) => {
      assert.deepEqual(await read(t, members), found);
    });
  }

  for (const [what, members, message] of [
    [
      'two PAX headers before one entry',
      [pax(['path', 'a']), pax(['size', '0']), { name: 'b' }],
      /says what another/,
    ],
    [
      'a name by a PAX record and a GNU extension',
      [pax(['path', 'a']), { name: 'L', type: 'L', content: 'c' }, { name: 'b' }],
      /says what another one before it says/,
    ],
    [
      'a global header behind an extension',
      [pax(['path', 'a']), { name: 'g', type: 'g', content: record('comment', 'x') }, { name: 'b' }],
      /stands between an entry and its extension/,
    ],
    [
      'a name by a record of a sparse file',
      [pax(['GNU.sparse.name', '../x']), { name: 'b' }],
      /"GNU.sparse.name": a sparse file/,
    ],
  ] as const) {
    it(`is refused: ${what}`, async (t) => {
      await assert.rejects(read(t, members), { code: 'InvalidArgument', message });
    });
  }
});
