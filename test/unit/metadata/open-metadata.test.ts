import assert from 'node:assert/strict';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, beforeEach, describe, it } from 'node:test';
import { Level } from 'level';
import { silentLog } from '../../../src/log.ts';
import { openMetadata } from '../../../src/metadata/open-metadata.ts';
import { LevelStore } from '../../../src/metadata/level-store.ts';
import { RecordCopies } from '../../../src/metadata/record-copies.ts';
import type { SnapshotRecord } from '../../../src/metadata/schema.ts';
import { recordOf } from './store-suite.ts';

const FIXTURE = new URL('../../fixtures/metadata-v1', import.meta.url);
const directories: string[] = [];
let root = '';

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'open-metadata-'));
  directories.push(root);
  await mkdir(join(root, 'snapshots'));
});
after(() => Promise.all(directories.map((made) => rm(made, { recursive: true }))));

const metadata = () => join(root, 'metadata');
const copyOf = (id: number) => join(root, 'snapshots', String(id), 'record');

async function open() {
  const copies = new RecordCopies({ snapshots: join(root, 'snapshots') });
  const { store, repairs } = await openMetadata(
    { directory: metadata(), minimumId: 0 },
    { copies, log: silentLog },
  );
  return { store, repairs, copies, [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() };
}

/** Snapshots with their directories and copies. LevelDB has them in its journal; the next open moves them to a table. */
async function fill(...records: readonly SnapshotRecord[]): Promise<void> {
  await using opened = await open();
  for (const record of records) {
    await mkdir(join(root, 'snapshots', String(record.id)), { recursive: true });
    opened.copies.write(record);
  }
  await opened.store.apply(records.map((record) => ({ type: 'put', record })));
}

async function tamper(edit: (db: Level) => Promise<void>): Promise<void> {
  const db = new Level(metadata());
  await edit(db);
  await db.close();
}

/** Damages the last of the database's files whose name ends so, from a place to another (in parts of the whole). */
async function damage(end: string, from: number, to = from): Promise<void> {
  const [name] = (await readdir(metadata()))
    .filter((each) => each.endsWith(end))
    .toSorted()
    .toReversed();
  const file = join(metadata(), name ?? '');
  const bytes = await readFile(file);
  const at = Math.floor(bytes.length * from);
  for (let next = at; next <= bytes.length * to; next += 1) bytes[next] = 0x55;
  bytes[at] = 0xaa;
  await writeFile(file, bytes);
}

const base = recordOf('base', 1);
const child = recordOf('a key\nwith "all" of it', 2, {
  kind: 'active',
  parent: 'base',
  labels: new Map([['label', 'line\nline']]),
});

const byId = (one: SnapshotRecord, other: SnapshotRecord) => one.id - other.id;

describe('metadata that is opened', () => {
  it('is new, and says nothing of repairs', async () => {
    await using opened = await open();
    assert.deepEqual(opened.repairs, []);
    assert.deepEqual(opened.store.list(), []);
  });

  it('is made again from the copies when all of it is lost', async () => {
    await fill(base, child);
    await rm(metadata(), { recursive: true });
    {
      await using opened = await open();
      assert.match(opened.repairs.join(), /was lost; 2 snapshots were made known again from the copies/);
      assert.deepEqual(opened.store.list().toSorted(byId), [base, child]);
      assert.equal(opened.store.hasChildren('base'), true);
      assert.equal(opened.store.nextId() > 2, true);
    }
    await using again = await open();
    assert.deepEqual(again.repairs, []);
    assert.equal(again.store.list().length, 2);
  });

  it('keeps what it cannot know: a copy that is corrupt, cut, of another snapshot, or missing', async () => {
    await fill(base, child, recordOf('third', 3), recordOf('fourth', 4), recordOf('fifth', 5));
    await rm(metadata(), { recursive: true });
    await writeFile(copyOf(2), 'garbage');
    await writeFile(copyOf(3), (await readFile(copyOf(3), 'utf8')).slice(0, -20));
    await writeFile(copyOf(4), await readFile(copyOf(5)));
    await rm(copyOf(5));
    await using opened = await open();
    assert.deepEqual(opened.store.list(), [base]);
    assert.deepEqual(
      [...opened.store.kept()].toSorted((one, other) => one - other),
      [2, 3, 4, 5],
    );
    assert.match(opened.repairs.join(), /4 directories that nothing is known of are kept/);
  });

  it('takes the newer of two directories that say the same name', async () => {
    await fill(recordOf('same', 1));
    await mkdir(join(root, 'snapshots', '2'));
    new RecordCopies({ snapshots: join(root, 'snapshots') }).write(recordOf('same', 2));
    await rm(metadata(), { recursive: true });
    await using opened = await open();
    assert.equal(opened.store.get('same')?.id, 2);
    assert.deepEqual([...opened.store.kept()], [1]);
  });

  it('puts the copy in place of a corrupt record, and leaves one degraded that has none', async () => {
    await fill(base, child, recordOf('third', 3));
    await rm(copyOf(3));
    await tamper(async (db) => {
      await db.put(`r:${child.key}`, '{"v":1,"id":');
      await db.put('r:third', 'null');
    });
    await using opened = await open();
    assert.deepEqual(opened.store.get(child.key), child);
    assert.deepEqual(
      opened.store.degraded().map(({ key }) => key),
      ['third'],
    );
    assert.match(opened.repairs.join(), /its corrupt record was made again from the copy in its directory/);
  });

  for (const place of [0.1, 0.5, 0.8]) {
    it(`is made whole where LevelDB leaves out a part of its journal and says nothing: ${place}`, async () => {
      const records = [base, child, recordOf('third', 3)];
      await fill(...records);
      await damage('.log', place);
      {
        await using opened = await open();
        assert.deepEqual(opened.store.list().toSorted(byId), records);
        assert.match(opened.repairs.join(), /was (?:corrupt|lost); \d snapshots were made known again/);
      }
      await using again = await open();
      assert.deepEqual(again.store.list().toSorted(byId), records);
      assert.deepEqual(again.repairs, []);
    });
  }

  it('is made whole by the next start when the one that left out a part of the journal was killed', async () => {
    await fill(base, child);
    await damage('.log', 0.5);
    const db = new Level(metadata());
    await db.open();
    await db.close();
    await using opened = await open();
    assert.deepEqual(opened.store.list().toSorted(byId), [base, child]);
  });

  it('is made whole when its journal is gone', async () => {
    await fill(base);
    // The journal has this one, a table the other.
    await fill(child);
    for (const name of await readdir(metadata())) if (name.endsWith('.log')) await rm(join(metadata(), name));
    {
      await using opened = await open();
      assert.deepEqual(opened.store.list().toSorted(byId), [base, child]);
      assert.match(opened.repairs.join(), /was corrupt; 1 snapshots were made known again/);
    }
    await using again = await open();
    assert.deepEqual(again.repairs, []);
  });

  it('takes the copy where the change that it is of was lost', async () => {
    const active = recordOf('key', 1, { kind: 'active' });
    const committed = recordOf('name', 1, { updated: { seconds: 1_700_000_001, nanos: 0 } });
    await fill(active);
    {
      await using opened = await open();
      opened.copies.write(committed);
      await opened.store.apply([
        { type: 'delete', key: 'key' },
        { type: 'put', record: committed },
      ]);
    }
    await damage('.log', 0.5);
    await using opened = await open();
    assert.deepEqual(opened.store.list(), [committed]);
    assert.match(opened.repairs.join(), /1 records were older than the copies/);
  });

  it('is made whole when a table is damaged, or the list of its files is gone', async () => {
    const records = [base, child];
    await fill(...records);
    await (await open())[Symbol.asyncDispose]();
    await damage('.ldb', 0, 0.5);
    {
      await using opened = await open();
      assert.deepEqual(opened.store.list().toSorted(byId), records);
    }
    for (const name of await readdir(metadata())) {
      if (name.startsWith('MANIFEST')) await rm(join(metadata(), name));
    }
    await using opened = await open();
    assert.deepEqual(opened.store.list().toSorted(byId), records);
  });

  for (const loss of ['lost', 'repaired']) {
    it(`is made whole by the next start when the first one after it was ${loss} is killed`, async () => {
      await fill(base, child);
      await (await open())[Symbol.asyncDispose]();
      if (loss === 'lost') await rm(metadata(), { recursive: true });
      else await damage('.ldb', 0, 0.5);
      await (await LevelStore.open(metadata(), 2, silentLog))[Symbol.asyncDispose]();
      {
        await using opened = await open();
        assert.deepEqual(opened.store.list().toSorted(byId), [base, child]);
      }
      await using again = await open();
      assert.deepEqual(again.repairs, []);
    });
  }

  it('puts the right copy in place of a corrupt record where an older directory says the same name', async () => {
    await fill(recordOf('same', 1), base);
    await fill(recordOf('same', 12));
    await tamper((db) => db.put('r:same', 'null'));
    await using opened = await open();
    assert.equal(opened.store.get('same')?.id, 12);
  });

  it('of schema version 1 is migrated: all is there, and each directory gets its copy', async () => {
    await cp(FIXTURE, metadata(), { recursive: true });
    for (const id of [1, 2, 3]) await mkdir(join(root, 'snapshots', String(id)));
    let records: readonly SnapshotRecord[] = [];
    {
      await using opened = await open();
      assert.match(opened.repairs.join(), /schema version 1 was migrated to version 2/);
      records = opened.store.list();
      assert.deepEqual(records.map(({ key }) => key).toSorted(), ['base', 'child', 'nix']);
      assert.equal(opened.store.get('nix')?.closure?.closure.kind, 'closure-info');
    }
    {
      await using again = await open();
      assert.deepEqual(again.repairs, []);
    }
    await rm(metadata(), { recursive: true });
    await using lost = await open();
    assert.deepEqual(lost.store.list().toSorted(byId), records.toSorted(byId));
  });
});
