import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { after, before, describe, it } from 'node:test';
import { extract } from 'tar-stream';
import type { StorePath } from '../../../src/closure/store-path.ts';
import { storeTar } from '../../../src/image/store-tar.ts';

const HASH = '0'.repeat(32);
const path = (name: string) => `/nix/store/${HASH}-${name}` as StorePath;
const LONG = 'n'.repeat(200);
/** Not UTF-8. */
const BYTES = Buffer.from([0x66, 0xff, 0xfe, 0x2e, 0x31]);
const LARGE = Buffer.alloc(700_001, 'large');

/** A store with what Nix allows in one; times, owners and links as a machine happens to have them. */
function makeStore(dir: string, { linked }: { linked: boolean }): void {
  const pkg = join(dir, `${HASH}-pkg`);
  mkdirSync(join(pkg, 'bin/deep/er'), { recursive: true });
  mkdirSync(join(pkg, 'empty'));
  writeFileSync(join(pkg, 'bin/run'), '#!/bin/sh\n', { mode: 0o755 });
  writeFileSync(join(pkg, 'bin/deep/er', LONG), 'long name');
  writeFileSync(join(pkg, 'bin/é'), '');
  writeFileSync(Buffer.concat([Buffer.from(`${pkg}/`), BYTES]), 'bytes');
  if (linked) linkSync(join(pkg, 'bin/é'), join(pkg, 'same'));
  else writeFileSync(join(pkg, 'same'), '');
  writeFileSync(join(pkg, 'large'), LARGE);
  symlinkSync(path('file'), join(pkg, 'link'));
  symlinkSync(`../${LONG}/é`, join(pkg, 'long-link'));
  for (let at = 0; at < 40; at++) writeFileSync(join(pkg, `small-${at}`), `content ${at}`.repeat(at));
  writeFileSync(join(dir, `${HASH}-file`), 'a file');
  symlinkSync(`${HASH}-file`, join(dir, `${HASH}-symlink`));
}

const PATHS = [path('pkg'), path('file'), path('symlink')];

describe('storeTar', () => {
  let top = '';
  const real = (name: string) => join(top, 'store', `${HASH}-${name}`);
  const tarOf = async (paths: readonly StorePath[], store = 'store') =>
    await buffer(Readable.from(storeTar(paths, join(top, store))));

  before(() => {
    top = mkdtempSync(join(tmpdir(), 'store-tar-'));
    for (const [name, linked] of [
      ['store', false],
      ['other', true],
    ] as const) {
      mkdirSync(join(top, name));
      makeStore(join(top, name), { linked });
    }
  });
  after(() => rmSync(top, { recursive: true }));

  it('holds the paths with their parents, as a store has them, sorted', async () => {
    const seen: [string, string | null | undefined, number | undefined, number][] = [];
    const contents = new Map<string, Buffer>();
    const reader = extract();
    reader.on('entry', (header, stream, next) => {
      assert.deepEqual([header.uid, header.gid], [0, 0]);
      seen.push([header.name, header.type, header.mode, (header.mtime?.getTime() ?? 0) / 1000]);
      buffer(stream).then((content) => {
        contents.set(header.name, content);
        next();
      }, next);
    });
    await pipeline(Readable.from(storeTar(PATHS, join(top, 'store'))), reader);
    const modes = new Map(seen.map(([name, type, mode]) => [name.replace(/\/$/, ''), [type, mode]]));
    const pkg = path('pkg').slice(1);
    assert.deepEqual(
      seen.slice(0, 2),
      [
        ['nix/', 'directory', 0o755, 0],
        ['nix/store/', 'directory', 0o555, 0],
      ].map(([name, type, mode]) => [name, type, mode, 1]),
    );
    assert.deepEqual(modes.get(pkg), ['directory', 0o555]);
    assert.deepEqual(modes.get(`${pkg}/bin/run`), ['file', 0o555]);
    assert.deepEqual(modes.get(`${pkg}/bin/deep/er/${LONG}`), ['file', 0o444]);
    assert.deepEqual(modes.get(path('symlink').slice(1)), ['symlink', 0o777]);
    assert.ok(seen.every(([, , , mtime]) => mtime === 1));
    const siblings = seen.map(([name]) => name).filter((name) => name.startsWith(`${pkg}/small-`));
    assert.equal(siblings.length, 40);
    assert.deepEqual(siblings, siblings.toSorted());
    assert.deepEqual(contents.get(`${pkg}/large`), LARGE);
    assert.equal(contents.get(path('file').slice(1))?.toString(), 'a file');
    assert.equal(seen.filter(([, type]) => type === 'link').length, 0);
  });

  it('is unpacked by tar to what was there', async () => {
    const out = mkdtempSync(join(top, 'out-'));
    execFileSync('tar', ['-x', '--delay-directory-restore', '-C', out], { input: await tarOf(PATHS) });
    assert.ok((await buffer(Readable.from(storeTar(PATHS, `${out}/nix/store`)))).equals(await tarOf(PATHS)));
    for (const name of ['large', 'bin/run', 'small-39', `bin/deep/er/${LONG}`])
      assert.ok(
        readFileSync(`${out}${path('pkg')}/${name}`).equals(readFileSync(join(real('pkg'), name))),
        name,
      );
    assert.ok(readdirSync(`${out}${path('pkg')}`, { encoding: 'buffer' }).some((name) => name.equals(BYTES)));
    assert.equal(lstatSync(`${out}${path('pkg')}/bin/run`).mode & 0o777, 0o555);
  });

  it('is the same on a machine with other times, owners, modes and links', async () => {
    const first = await tarOf(PATHS);
    const run = join(top, `other/${HASH}-pkg/bin/run`);
    utimesSync(run, 12345, 67890);
    chmodSync(run, 0o511);
    if (process.getuid?.() === 0) chownSync(run, 1000, 1000);
    assert.ok((await tarOf(PATHS.toReversed(), 'other')).equals(first));
    assert.equal(first.length % 512, 0);
  });

  it('keeps its bytes: they are digests of images', async () => {
    const bytes = await tarOf([path('file'), path('symlink')]);
    assert.equal(
      createHash('sha256').update(bytes).digest('hex'),
      'fb3bcc280d51ec1383c9ac23f1b21f8ba987c749d790d5d438b9412e4e6ade2f',
    );
  });

  it('leaves no file open when it is given up, wherever that is', async () => {
    const open = () => readdirSync('/proc/self/fd').length;
    const bare = open();
    for (const chunks of [1, 2, 3]) {
      let left = chunks;
      for await (const chunk of storeTar(PATHS, join(top, 'store'))) {
        assert.ok(chunk.length > 0);
        if (--left === 0) break;
      }
      assert.equal(open(), bare);
    }
  });

  it('names the path that is not there or is no store object', async () => {
    await assert.rejects(tarOf([path('absent')]), {
      code: 'DataLoss',
      message:
        /^\/nix\/store\/0{32}-absent: cannot be read: ENOENT.*nix-store --verify-path \/nix\/store\/0{32}-absent$/,
    });
    execFileSync('mkfifo', [real('pipe')]);
    await assert.rejects(tarOf([path('pipe')]), { code: 'DataLoss', message: /neither a file nor/ });
    mkdirSync(real('within'));
    execFileSync('mkfifo', [join(real('within'), 'pipe')]);
    await assert.rejects(tarOf([path('within')]), {
      code: 'DataLoss',
      message: /within\/pipe: cannot be read/,
    });
  });

  it('fails when a file becomes shorter while it is read', async () => {
    writeFileSync(real('shrinking'), LARGE);
    const tar = storeTar([path('shrinking')], join(top, 'store'));
    await tar.next();
    truncateSync(real('shrinking'), 300_000);
    await assert.rejects(
      async () => {
        for await (const chunk of tar) assert.ok(chunk.length > 0);
      },
      { code: 'DataLoss', message: /it has 300000 bytes instead of 700001/ },
    );
    assert.equal(readFileSync(real('file'), 'utf8'), 'a file');
  });
});
