import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { loadAccessToken, showsToken } from '../../../src/resolver/access-token.ts';

const TOKEN = 'a'.repeat(64);
const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;

describe('loadAccessToken', () => {
  let directory = '';
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'token-'));
  });
  after(() => rmSync(directory, { recursive: true }));

  it('makes one that only its owner can read, and finds it again', async () => {
    const file = join(directory, 'token');
    const token = await loadAccessToken(file);
    assert.match(token, /^[0-9a-f]{64}$/);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.equal(await loadAccessToken(file), token);
  });

  it('gives the same to all who make it at once, and leaves nothing beside it', async () => {
    const file = join(directory, 'shared');
    const tokens = await Promise.all(Array.from({ length: 20 }, async () => await loadAccessToken(file)));
    assert.equal(new Set(tokens).size, 1);
    assert.deepEqual(
      readdirSync(directory).filter((name) => name.startsWith('shared')),
      ['shared'],
    );
  });

  it('takes nothing else for one, and names the file', async () => {
    const file = join(directory, 'other');
    writeFileSync(file, 'secret\n');
    await assert.rejects(loadAccessToken(file), {
      code: 'FailedPrecondition',
      message: /other: not a token/,
    });
    await assert.rejects(loadAccessToken(join(directory, 'no', 'where')), {
      code: 'FailedPrecondition',
      message: /no\/where: the token of the resolver: ENOENT/,
    });
  });
});

describe('showsToken', () => {
  for (const [header, shown] of [
    [`Bearer ${TOKEN}`, true],
    [`bearer ${TOKEN}`, true],
    [basic(`anyone:${TOKEN}`), true],
    [basic(`:${TOKEN}`), true],
    [undefined, false],
    ['', false],
    ['Bearer', false],
    [`Bearer ${TOKEN.slice(1)}`, false],
    [`Bearer ${TOKEN}a`, false],
    [`Bearer ${'b'.repeat(64)}`, false],
    [basic('anyone:'), false],
    [`Digest ${TOKEN}`, false],
  ] as const) {
    it(`in ${header?.slice(0, 20) ?? 'no header'}: ${shown}`, () => {
      assert.equal(showsToken(header, TOKEN), shown);
    });
  }
});
