import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Level } from 'level';
import { silentLog } from '../../../src/log.ts';
import { DigestCache } from '../../../src/store-image/digest-cache.ts';

const SUMMARY = { digest: `sha256:${'a'.repeat(64)}`, size: 1024 };

describe('DigestCache', () => {
  let top = '';
  before(() => (top = mkdtempSync(join(tmpdir(), 'digests-'))));
  after(() => rmSync(top, { recursive: true }));

  const open = (name: string, entries = 100) =>
    new DigestCache({ directory: join(top, name), entries }, { log: silentLog });

  it('remembers across restarts, and forgets what it is told to', async () => {
    {
      await using cache = open('a');
      assert.equal(await cache.get('1:x'), undefined);
      await cache.put('1:x', SUMMARY);
    }
    await using cache = open('a');
    assert.deepEqual(await cache.get('1:x'), SUMMARY);
    await cache.forget('1:x');
    assert.equal(await cache.get('1:x'), undefined);
  });

  it('makes room when it is full', async () => {
    await using cache = open('full', 10);
    const keys = Array.from({ length: 50 }, (_, at) => `1:${String(at).padStart(2, '0')}`);
    for (const key of keys) {
      await cache.put(key, SUMMARY);
      assert.deepEqual(await cache.get(key), SUMMARY);
    }
    const kept = await Promise.all(keys.map((key) => cache.get(key)));
    assert.ok(kept.filter((found) => found !== undefined).length <= 10);
  });

  it('takes an entry that it did not write for none', async () => {
    const directory = join(top, 'foreign');
    const db = new Level(directory);
    for (const [key, text] of [
      ['1:a', '{'],
      ['1:b', '{"digest":"sha256:00","size":1}'],
      ['1:c', JSON.stringify({ ...SUMMARY, size: -1 })],
      ['1:d', 'null'],
    ] as const)
      await db.put(key, text);
    await db.close();
    await using cache = open('foreign');
    for (const key of ['1:a', '1:b', '1:c', '1:d']) assert.equal(await cache.get(key), undefined);
  });

  it('begins anew when its files are damaged', async () => {
    {
      await using cache = open('damaged');
      await cache.put('1:x', SUMMARY);
    }
    for (const name of readdirSync(join(top, 'damaged')))
      writeFileSync(join(top, 'damaged', name), Buffer.alloc(100, 7));
    await using cache = open('damaged');
    assert.equal(await cache.get('1:x'), undefined);
    await cache.put('1:x', SUMMARY);
    assert.deepEqual(await cache.get('1:x'), SUMMARY);
  });

  it('is done without where it cannot be', async () => {
    writeFileSync(join(top, 'file'), '');
    await using nowhere = open('file/below');
    await nowhere.put('1:x', SUMMARY);
    assert.equal(await nowhere.get('1:x'), undefined);
    await using first = open('taken');
    await first.put('1:x', SUMMARY);
    await using second = open('taken');
    assert.equal(await second.get('1:x'), undefined);
    assert.deepEqual(await first.get('1:x'), SUMMARY);
  });
});
