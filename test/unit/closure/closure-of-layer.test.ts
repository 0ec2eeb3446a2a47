import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { ClosureReader } from '../../../src/closure/closure-of-layer.ts';
import type { StorePath } from '../../../src/closure/store-path.ts';

const HASH = '0123456789abcdfghijklmnpqrsvwxyz';
const path = (name: string): StorePath => `/nix/store/${HASH}-${name}` as StorePath;
const INFO = path('closure-info');

describe('ClosureReader', () => {
  let store: string;
  let reader: ClosureReader;
  const list = (): string => join(store, `${HASH}-closure-info`, 'store-paths');
  const read = (name = 'closure-info'): Promise<readonly StorePath[]> =>
    reader.pathsOf({ kind: 'closure-info', path: path(name) });

  beforeEach(() => {
    store = mkdtempSync(join(tmpdir(), 'closure-'));
    mkdirSync(join(store, `${HASH}-closure-info`));
    reader = new ClosureReader({ realStoreDir: () => Promise.resolve(store), cached: 2 });
  });
  afterEach(() => rmSync(store, { recursive: true }));

  it('reads the list, sorted, each path once', async () => {
    writeFileSync(list(), `${path('b')}\n${path('a')}\n${path('b')}\n`);
    assert.deepEqual(await read(), [path('a'), path('b')]);
  });

  it('takes the paths of the older format as they are', async () => {
    assert.deepEqual(await reader.pathsOf({ kind: 'paths', paths: [path('a')] }), [path('a')]);
  });

  it('remembers a bounded number of lists', async () => {
    for (const name of ['one', 'two', 'three']) {
      mkdirSync(join(store, `${HASH}-${name}`));
      writeFileSync(join(store, `${HASH}-${name}`, 'store-paths'), path(name));
      await read(name);
    }
    rmSync(join(store, `${HASH}-one`), { recursive: true });
    rmSync(join(store, `${HASH}-three`), { recursive: true });
    assert.deepEqual(await read('three'), [path('three')]);
    await assert.rejects(read('one'), { code: 'FailedPrecondition' });
  });

  it('does not remember a failure', async () => {
    await assert.rejects(read(), {
      code: 'FailedPrecondition',
      message: new RegExp(`closure ${INFO}.*ENOENT`),
    });
    writeFileSync(list(), path('a'));
    assert.deepEqual(await read(), [path('a')]);
  });

  for (const line of [
    '/etc',
    `${path('a')}/`,
    `${path('a')}/bin`,
    ` ${path('a')}`,
    '/nix/store/..',
    'root:x:0:0',
  ]) {
    it(`refuses ${JSON.stringify(line)} by its number, not its text`, async () => {
      writeFileSync(list(), `${path('a')}\n${line}\n`);
      await assert.rejects(read(), (error: Error & { code?: string }) => {
        assert.equal(error.code, 'InvalidArgument');
        assert.match(error.message, /line 2 of store-paths/);
        assert.ok(!error.message.includes('root:x') && !error.message.includes('/etc'));
        return true;
      });
    });
  }

  const odd: readonly [what: string, make: () => void][] = [
    ['a symlink as list', () => symlinkSync('/etc/passwd', list())],
    ['a directory as list', () => mkdirSync(list())],
    ['a pipe as list', () => execFileSync('mkfifo', [list()])],
    [
      'a list that is too long',
      () => {
        writeFileSync(list(), '');
        truncateSync(list(), 17 * 1024 * 1024);
      },
    ],
  ];
  for (const [what, make] of odd) {
    it(`refuses ${what}`, async () => {
      make();
      await assert.rejects(read(), { code: 'InvalidArgument' });
    });
  }

  it('does not follow a store path that is a symlink', async () => {
    symlinkSync(join(store, `${HASH}-closure-info`), join(store, `${HASH}-link`));
    writeFileSync(list(), path('a'));
    await assert.rejects(read('link'), { code: 'InvalidArgument', message: /not a directory/ });
  });
});
