import assert from 'node:assert/strict';
import { cp, mkdtemp, rm, writeFile, readdir, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, beforeEach, describe, it } from 'node:test';
import { Level } from 'level';
import { silentLog } from '../../../src/log.ts';
import { LevelStore } from '../../../src/metadata/level-store.ts';
import { metadataStoreSuite, recordOf } from './store-suite.ts';

const directories: string[] = [];
let directory = '';

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'metadata-'));
  directories.push(directory);
});
after(() => Promise.all(directories.map((made) => rm(made, { recursive: true }))));

const open = (minimumId = 0) => LevelStore.open(join(directory, 'db'), minimumId, silentLog);

metadataStoreSuite('LevelDB', () => open(), true);

describe('LevelDB metadata store', () => {
  it('tells a second opener that the root is in use', async () => {
    await using _ = await open();
    await assert.rejects(open(), {
      code: 'FailedPrecondition',
      message: /another nix-snapshotter runs on this root/,
    });
  });

  it('names the directory when it cannot be opened', async () => {
    await writeFile(join(directory, 'db'), 'a file');
    await assert.rejects(open(), { code: 'FailedPrecondition', message: new RegExp(join(directory, 'db')) });
  });

  it('gives no id up to the minimum', async () => {
    await using store = await open(41);
    assert.equal(store.nextId(), 42);
  });

  it('gives out no id again that a killed run may have given out', async () => {
    const copy = join(directory, 'killed');
    {
      await using store = await open();
      await store.apply([{ type: 'put', record: recordOf('a', store.nextId()) }]);
      for (let i = 0; i < 50; i += 1) store.nextId();
      await cp(join(directory, 'db'), copy, { recursive: true });
    }
    await using store = await LevelStore.open(copy, 0, silentLog);
    assert.ok(store.nextId() > 51);
  });

  it('keeps a corrupt record apart, with its id, and can delete it', async () => {
    {
      await using store = await open();
      await store.apply([
        { type: 'put', record: recordOf('good', 1) },
        { type: 'put', record: recordOf('bad', 2) },
        { type: 'put', record: recordOf('worse', 3) },
      ]);
    }
    const db = new Level(join(directory, 'db'));
    await db.put('r:bad', '{"v":1,"id":');
    await db.put('r:worse', JSON.stringify({ v: 1, id: -3, kind: 'odd' }));
    await db.close();
    {
      await using store = await open();
      assert.equal(store.get('good')?.id, 1);
      assert.equal(store.get('bad'), undefined);
      assert.deepEqual(
        store.degraded().map(({ key, id }) => [key, id]),
        [
          ['bad', 2],
          ['worse', 3],
        ],
      );
      assert.equal(store.nextId(), 4);
      await store.apply([{ type: 'delete', key: 'bad' }]);
    }
    await using store = await open();
    assert.deepEqual(
      store.degraded().map(({ key }) => key),
      ['worse'],
    );
  });

  it('opens a database whose files were cut, and keeps what can be read', async () => {
    {
      await using store = await open();
      await store.apply([{ type: 'put', record: recordOf('a', 1) }]);
    }
    for (const name of await readdir(join(directory, 'db'))) {
      if (name.startsWith('MANIFEST')) await truncate(join(directory, 'db', name), 7);
    }
    {
      await using store = await open(1);
      assert.equal(store.found.repaired, true);
      assert.equal(store.get('a')?.id, 1);
      assert.ok(store.nextId() > 1);
      store.restored();
    }
    await using store = await open(1);
    assert.equal(store.found.repaired, false);
  });

  it('keeps ids until they are forgotten', async () => {
    {
      await using store = await open();
      await store.keep([3, 5]);
      await store.forget([3]);
    }
    await using store = await open();
    assert.deepEqual([...store.kept()], [5]);
  });

  it('refuses what a newer version wrote, and changes nothing', async () => {
    {
      await using store = await open();
      await store.apply([{ type: 'put', record: recordOf('a', 1) }]);
    }
    const db = new Level(join(directory, 'db'));
    await db.put('m:schema', '99');
    const before = await db.iterator().all();
    await db.close();
    await assert.rejects(open(), {
      code: 'FailedPrecondition',
      message:
        /schema version 99, and nix-snapshotter \S+ knows versions up to 2: .*Install that version again/,
    });
    await db.open();
    assert.deepEqual(await db.iterator().all(), before);
    await db.close();
  });

  it('takes back, whole, a write that failed after it had reached the disk', async (t) => {
    {
      await using store = await open();
      await store.apply([{ type: 'put', record: recordOf('old', 1) }]);
      const batch = Reflect.get(Level.prototype, 'batch') as () => { write(options: object): Promise<void> };
      const failing = t.mock.method(Level.prototype, 'batch', function (this: Level) {
        const chained = batch.call(this);
        const write = chained.write.bind(chained);
        return Object.assign(chained, {
          write: async (options: object) => {
            await write(options);
            throw new Error('IO error: No space left on device');
          },
        });
      });
      const changes = [
        { type: 'delete' as const, key: 'old' },
        { type: 'put' as const, record: recordOf('new', 2) },
      ];
      for (let time = 0; time < 3; time++) {
        await assert.rejects(store.apply(changes), { code: 'ResourceExhausted' });
      }
      failing.mock.restore();
      await store.apply([{ type: 'put', record: recordOf('next', 3) }]);
    }
    const db = new Level(join(directory, 'db'));
    assert.deepEqual(await db.keys().all(), ['i:1', 'i:3', 'm:last-id', 'r:next', 'r:old']);
    await db.close();
  });

  it('can be disposed of when nothing can be written any more', async (t) => {
    const store = await open();
    const put = t.mock.method(Level.prototype, 'put', () => Promise.reject(new Error('IO error')));
    await store[Symbol.asyncDispose]();
    put.mock.restore();
    await using again = await open();
    assert.deepEqual(again.list(), []);
  });
});
