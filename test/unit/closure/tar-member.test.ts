import assert from 'node:assert/strict';
import { buffer } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type Pack, pack } from 'tar-stream';
import { encodeHeader, encodeMember, END_OF_TAR, type TarMember } from '../../../src/closure/tar-member.ts';

/** What tar-stream writes for the same members. */
async function packed(members: readonly TarMember[]): Promise<Buffer> {
  const tar = pack();
  const bytes = buffer(tar);
  for (const { path, kind, mode, target, content = '', mtime = 0, records, owner, slash = true } of members) {
    const header: Parameters<Pack['entry']>[0] = {
      ...owner,
      name: kind === 'directory' && slash ? `${path}/` : path,
      type: kind,
      mode,
      mtime: new Date(mtime * 1000),
      ...(target === undefined ? {} : { linkname: target }),
      ...(records === undefined ? {} : { pax: records }),
    };
    await new Promise<void>((resolve, reject) => {
      const done = (error?: Error | null) => (error ? reject(error) : resolve());
      if (kind === 'file') tar.entry(header, content, done);
      else tar.entry(header, done);
    });
  }
  tar.finalize();
  return bytes;
}

const text = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 130 })
  .filter((name) => !name.includes('\0'));
const path = fc
  .array(text, { minLength: 1, maxLength: 4 })
  .map((parts) => parts.map((part) => part.replaceAll('/', '_')).join('/'));
const common = {
  path,
  mode: fc.integer({ min: 1, max: 0o7777 }),
  mtime: fc.integer({ min: 0, max: 2 ** 31 - 1 }),
};
const records = fc.dictionary(fc.stringMatching(/^SCHILY\.xattr\.[a-z.]{1,20}$/), text, { maxKeys: 3 });
const plain: fc.Arbitrary<TarMember> = fc.oneof(
  fc.record({ ...common, kind: fc.constant('directory') }),
  fc.record({ ...common, kind: fc.constant('file'), content: fc.string({ maxLength: 1200 }) }),
  fc.record({ ...common, kind: fc.constant('symlink'), target: path }),
);
const id = fc.integer({ min: 0, max: 2 ** 32 - 2 });
const userName = fc.stringMatching(/^[a-z][a-z0-9_-]{0,31}$/);
const owned = fc
  .record({ member: plain, uid: id, gid: id, uname: userName, gname: userName, slash: fc.boolean() })
  .map(({ member, slash, ...owner }): TarMember => ({ ...member, slash, owner }));
const withRecords = fc.tuple(plain, records).map(([member, further]) => ({ ...member, records: further }));

/** Members of every kind with a name, and a link to it. */
function kinds(name: string): readonly TarMember[] {
  return [
    { path: name, kind: 'directory', mode: 0o755 },
    { path: name, kind: 'file', mode: 0o644 },
    { path: name, kind: 'file', mode: 0o644, content: 'text' },
    { path: name, kind: 'symlink', mode: 0o777, target: 'there' },
    { path: 'here', kind: 'symlink', mode: 0o777, target: name },
  ];
}

function range(from: number, end: number): readonly number[] {
  return Array.from({ length: end - from }, (_, i) => from + i);
}

function encoded(members: readonly TarMember[]): Buffer {
  return Buffer.concat([...members.flatMap(encodeMember), END_OF_TAR]);
}

describe('encodeMember', () => {
  it('writes the bytes of tar-stream, whatever names, owners, times and records', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.oneof(plain, owned, withRecords), { maxLength: 4 }), async (members) => {
        assert.deepEqual(encoded(members), await packed(members));
      }),
    );
  });

  it('writes the bytes of tar-stream at every length where a field or a record is full', async () => {
    for (const length of [...range(85, 112), ...range(142, 162), ...range(236, 258)]) {
      const members = [
        'n'.repeat(length),
        `nix/store/${'n'.repeat(length)}`,
        `${'p'.repeat(length)}/name`,
        `${'p'.repeat(150)}/${'n'.repeat(length)}`,
        `${'p'.repeat(40)}/${'q'.repeat(length)}/${'n'.repeat(99)}`,
        `${'n'.repeat(length - 1)}é`,
      ].flatMap(kinds);
      assert.deepEqual(encoded(members), await packed(members), `length ${length}`);
    }
    const long = range(970, 1000).flatMap((length) => kinds('n'.repeat(length)));
    assert.deepEqual(encoded(long), await packed(long));
  });
});

describe('encodeHeader', () => {
  it('says the size of a file in the header while it fits, then in a PAX record', () => {
    const member: TarMember = { path: 'large', kind: 'file', mode: 0o444 };
    const [only, ...none] = encodeHeader(member, 8 ** 11 - 1);
    assert.equal(none.length, 0);
    assert.equal(only?.toString('latin1', 124, 136), '77777777777 ');
    const [pax, named, padding, header] = encodeHeader(member, 8 ** 11);
    assert.equal(String.fromCharCode(pax?.[156] ?? 0), 'x');
    assert.equal(named?.toString(), '14 path=large\n19 size=8589934592\n');
    assert.equal((named?.length ?? 0) + (padding?.length ?? 0), 512);
    assert.equal(header?.toString('latin1', 124, 136), '00000000000 ');
  });
});
