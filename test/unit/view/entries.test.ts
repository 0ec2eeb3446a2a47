import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { StorePath } from '../../../src/closure/store-path.ts';
import { missingPathsError, readEntries } from '../../../src/view/entries.ts';

const HASH = '0123456789abcdfghijklmnpqrsvwxyz';
const path = (name: string): StorePath => `/nix/store/${HASH}-${name}` as StorePath;

describe('readEntries', () => {
  let store: string;

  before(() => {
    store = mkdtempSync(join(tmpdir(), 'entries-'));
    mkdirSync(join(store, `${HASH}-dir`));
    writeFileSync(join(store, `${HASH}-file`), '');
    symlinkSync('/nix/store/nowhere', join(store, `${HASH}-link`));
    execFileSync('mkfifo', [join(store, `${HASH}-pipe`)]);
  });
  after(() => rmSync(store, { recursive: true }));

  it('tells kinds, without following a symlink, and what is missing', async () => {
    const found = await readEntries([path('dir'), path('gone'), path('file'), path('link')], store);
    assert.deepEqual(
      found.entries.map(({ path: entry, kind, linkTarget }) => [entry, kind, linkTarget]),
      [
        [path('dir'), 'directory', undefined],
        [path('file'), 'file', undefined],
        [path('link'), 'symlink', '/nix/store/nowhere'],
      ],
    );
    assert.deepEqual(found.missing, [path('gone')]);
  });

  it('refuses what no store path can be', async () => {
    await assert.rejects(readEntries([path('pipe')], store), {
      code: 'FailedPrecondition',
      message: /-pipe is neither/,
    });
  });

  it('names what cannot be looked up', async () => {
    const file = join(store, `${HASH}-file`);
    await assert.rejects(readEntries([path('x')], file), { code: 'Internal', message: /-file\/.*ENOTDIR/ });
  });

  it('names missing paths and the next step', () => {
    const { code, message } = missingPathsError([path('a'), path('b')], '/real');
    assert.equal(code, 'FailedPrecondition');
    assert.match(message, /-a and 1 more is not in \/real.*--repair/);
  });
});
