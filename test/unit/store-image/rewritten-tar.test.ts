import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { buffer, text } from 'node:stream/consumers';
import { setImmediate } from 'node:timers/promises';
import { RE2JS } from 're2js';
import { extract } from 'tar-stream';
import type { StorePath } from '../../../src/closure/store-path.ts';
import type { RewrittenPath } from '../../../src/store-image/nix2container-json.ts';
import { rewrittenTar } from '../../../src/store-image/rewritten-tar.ts';

const NAME = `${'d'.repeat(32)}-root`;
const PATH = `/nix/store/${NAME}` as StorePath;
const TO_ROOT = { regex: `^${PATH}`, repl: '' };

const store = mkdtempSync(join(tmpdir(), 'rewritten-tar-'));
after(() => rmSync(store, { recursive: true }));
const tree = join(store, NAME);
mkdirSync(join(tree, 'etc/ssl'), { recursive: true });
writeFileSync(join(tree, 'etc/passwd'), 'root:x:0:0::/:\n', { mode: 0o444 });
writeFileSync(join(tree, 'etc/ssl/key'), 'secret', { mode: 0o444 });
writeFileSync(join(tree, 'run'), '#!/bin/sh\n', { mode: 0o555 });
symlinkSync('etc/passwd', join(tree, 'users'));
chmodSync(join(tree, 'etc'), 0o555);

async function members(paths: readonly RewrittenPath[]): Promise<Record<string, string>> {
  const unpacked = extract();
  rewrittenTar(paths, store)
    .once('error', (error) => unpacked.destroy(error))
    .pipe(unpacked);
  const found: Record<string, string> = {};
  for await (const entry of unpacked) {
    const { name, mode, uid, gid, uname, linkname, mtime } = entry.header;
    const content = linkname ?? (await text(entry));
    found[name] = [mode?.toString(8), `${uid}:${gid}`, uname, mtime?.getTime(), content].join(' ');
    entry.resume();
  }
  return found;
}

describe('rewritten store paths', () => {
  it('have other names, owners and modes', async () => {
    const perms = [
      { regex: 'ssl', mode: 0o700, uid: 5, gid: 6, uname: 'web' },
      { regex: 'key$', orMode: 0o200, mode: 0o400, uid: 7, gid: 0 },
    ];
    assert.deepEqual(await members([{ path: PATH, rewrite: TO_ROOT, perms }]), {
      etc: '555 0:0  1000 ',
      'etc/passwd': '444 0:0  1000 root:x:0:0::/:\n',
      'etc/ssl': '700 5:6 web 1000 ',
      'etc/ssl/key': '600 7:0 web 1000 secret',
      run: '555 0:0  1000 #!/bin/sh\n',
      users: '777 0:0  1000 etc/passwd',
    });
  });

  it('may be nobody’s to read', async () => {
    const perms = [{ regex: 'ssl', mode: 0, uid: 0, gid: 0 }];
    const found = await members([{ path: PATH, rewrite: TO_ROOT, perms }]);
    assert.deepEqual(found['etc/ssl/key'], '0 0:0  1000 secret');
    assert.match(found['etc/ssl'] ?? '', /^0 0:0/);
  });

  it('have parents, and go without what is to be ignored', async () => {
    const found = await members([
      { path: PATH, rewrite: { regex: `^${PATH}`, repl: '/srv/a' }, ignore: 'ssl|users', perms: [] },
    ]);
    assert.deepEqual(Object.keys(found), ['srv', 'srv/a', 'srv/a/etc', 'srv/a/etc/passwd', 'srv/a/run']);
    assert.match(found['srv'] ?? '', /^755 0:0/);
  });

  it("have names with groups, by Go's grammar", async () => {
    const rewrite = { regex: `^${PATH}/(?P<top>run|users)$`, repl: '/bin/${top}-$1' };
    const found = await members([{ path: PATH, rewrite, ignore: 'etc', perms: [] }]);
    assert.ok('bin/run-run' in found && 'bin/users-users' in found);
  });

  it('are the same bytes each time', async () => {
    const paths = [{ path: PATH, rewrite: TO_ROOT, perms: [] }];
    assert.ok((await buffer(rewrittenTar(paths, store))).equals(await buffer(rewrittenTar(paths, store))));
  });

  it('are made no faster than they are read', async () => {
    const many = mkdtempSync(join(tmpdir(), 'rewritten-tar-'));
    const made = join(many, NAME);
    mkdirSync(made);
    for (let at = 0; at < 3000; at++) symlinkSync('x'.repeat(150), join(made, `${at}`.padStart(200, '0')));
    const tar = rewrittenTar([{ path: PATH, rewrite: TO_ROOT, perms: [] }], many);
    await once(tar, 'readable');
    for (let turn = 0; turn < 1000; turn++) await setImmediate();
    const ahead = tar.readableLength;
    assert.ok(ahead > 0 && ahead < 1024 * 1024, `${ahead} bytes are made ahead`);
    assert.ok((await buffer(tar)).length > 3000 * 1536);
    rmSync(many, { recursive: true });
  });

  it('compile each expression once, leave others their turns, and stop when nobody reads them any more', async (t) => {
    const compile = RE2JS.compile.bind(RE2JS);
    const { mock } = t.mock.method(RE2JS, 'compile', (expression: string) => {
      for (const since = performance.now(); performance.now() - since < 15; );
      return compile(expression);
    });
    const paths = (of: string) => {
      const perms = Array.from({ length: 40 }, (_, at) => ({ regex: `${of}${at % 20}`, uid: 0, gid: 0 }));
      return [{ path: PATH, perms }];
    };
    let turns = 0;
    const others = (async () => {
      for (; mock.callCount() < 20; turns++) await setImmediate();
    })();
    await Promise.all([members(paths('a')), others]);
    assert.equal(mock.callCount(), 20);
    assert.ok(turns >= 15, `${turns} turns`);
    const unread = rewrittenTar(paths('b'), store).on('error', () => {});
    unread.destroy();
    for (let turn = 0; turn < 50; turn++) await setImmediate();
    assert.ok(mock.callCount() < 25, `${mock.callCount()} calls`);
  });

  for (const [what, changed, message] of [
    ['an expression that is none', { rewrite: { regex: '(', repl: '' } }, /is no regular expression/],
    [
      'an expression that is compiled to too much',
      { ignore: '(?:ab?){200}'.repeat(2) },
      /repeats by \{n\} 400 times/,
    ],
    [
      'nested repetitions',
      { perms: [{ regex: '((a{10}){10}){10}'.repeat(3), uid: 0, gid: 0 }] },
      /-root: "\(\(a.* is compiled to 36\d\d instructions: 2000 is the limit/,
    ],
    [
      'a name that nobody can unpack',
      { rewrite: { regex: '/', repl: '/aa'.repeat(300) } },
      /is rewritten to "\/aa.* 4096 is the limit/,
    ],
    ['a name that leaves the image', { rewrite: { regex: '^.*etc', repl: '/../etc' } }, /which is no name/],
    [
      'a path that is not there',
      { path: `/nix/store/${'f'.repeat(32)}-gone` as StorePath },
      /cannot be read/,
    ],
  ] as const) {
    it(`fail with ${what}`, async () => {
      await assert.rejects(members([{ path: PATH, perms: [], ...changed }]), { message });
    });
  }
});
