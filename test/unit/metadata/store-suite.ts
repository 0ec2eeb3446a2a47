import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { SnapshotRecord } from '../../../src/metadata/schema.ts';
import type { MetadataStore } from '../../../src/metadata/store.ts';

export function recordOf(key: string, id: number, more: Partial<SnapshotRecord> = {}): SnapshotRecord {
  const time = { seconds: 1_700_000_000, nanos: 123_456_789 };
  return { key, id, kind: 'committed', parent: '', created: time, updated: time, labels: new Map(), ...more };
}

/** What every metadata store must do; `open` opens the same store again after it was disposed of, if `durable`. */
export function metadataStoreSuite(name: string, open: () => Promise<MetadataStore>, durable: boolean): void {
  describe(`metadata store: ${name}`, () => {
    it('has nothing at first', async () => {
      await using store = await open();
      assert.equal(store.get('a'), undefined);
      assert.deepEqual(store.list(), []);
      assert.equal(store.hasChildren('a'), false);
    });

    it('gives back what was put, whatever the key', async () => {
      await using store = await open();
      const keys = ['k8s.io/17/extract-1-a sha256:00', '../..', 'ключ', '__proto__', 'r:x', 'm:last-id', ' '];
      const records = keys.map((key, index) =>
        recordOf(key, index + 1, {
          labels: new Map([
            ['__proto__', 'x'],
            ['a.b/c', 'ü'],
          ]),
        }),
      );
      await store.apply(records.map((record) => ({ type: 'put', record })));
      for (const record of records) assert.deepEqual(store.get(record.key), record);
      assert.equal(store.list().length, keys.length);
    });

    it('applies a rename as one change and keeps the id', async () => {
      await using store = await open();
      await store.apply([{ type: 'put', record: recordOf('key', 1, { kind: 'active' }) }]);
      await store.apply([
        { type: 'delete', key: 'key' },
        { type: 'put', record: recordOf('name', 1) },
      ]);
      assert.equal(store.get('key'), undefined);
      assert.equal(store.get('name')?.id, 1);
    });

    it('counts children through put, rename, replace and delete', async () => {
      await using store = await open();
      await store.apply([{ type: 'put', record: recordOf('base', 1) }]);
      await store.apply([{ type: 'put', record: recordOf('child', 2, { parent: 'base' }) }]);
      await store.apply([{ type: 'put', record: recordOf('child', 2, { parent: 'base', kind: 'active' }) }]);
      assert.equal(store.hasChildren('base'), true);
      await store.apply([
        { type: 'delete', key: 'child' },
        { type: 'put', record: recordOf('named', 2, { parent: 'base' }) },
      ]);
      assert.equal(store.hasChildren('base'), true);
      await store.apply([{ type: 'delete', key: 'named' }]);
      assert.equal(store.hasChildren('base'), false);
    });

    it('never gives an id twice', async () => {
      await using store = await open();
      assert.equal(store.nextId(), 1);
      assert.equal(store.nextId(), 2);
      await store.apply([{ type: 'put', record: recordOf('a', 7) }]);
      assert.ok(store.nextId() > 2);
    });

    it('takes the deletion of a key that is not there', async () => {
      await using store = await open();
      await store.apply([{ type: 'delete', key: 'nothing' }]);
      assert.deepEqual(store.list(), []);
    });

    if (durable) {
      it('has everything again after it was opened anew, ids included', async () => {
        const full = recordOf('full', 3, {
          parent: 'base',
          usage: { size: 4096, inodes: 1 },
          labels: new Map([['a', 'b']]),
          ownMountPoints: true,
        });
        {
          await using store = await open();
          for (let i = 0; i < 9; i += 1) store.nextId();
          await store.apply([
            { type: 'put', record: recordOf('base', 1) },
            { type: 'put', record: full },
          ]);
          await store.apply([{ type: 'delete', key: 'base' }]);
        }
        await using store = await open();
        assert.deepEqual(store.get('full'), full);
        assert.equal(store.get('base'), undefined);
        assert.equal(store.nextId(), 10);
      });
    }
  });
}
