import assert from 'node:assert/strict';
import { buffer } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { extract, type Header } from 'tar-stream';
import { StatusError } from '../../../src/errors.ts';
import { parsePerms } from '../../../src/image/perms.ts';
import { LIB, ROOT, setUp } from './root-content.ts';

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
