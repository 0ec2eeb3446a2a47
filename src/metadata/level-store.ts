import { Level } from 'level';
import { errnoOf, messageOf, StatusError } from '../errors.ts';
import type { Log } from '../log.ts';
import { decodeRecord, encodeRecord } from './codec.ts';
import { LossMark } from './loss-mark.ts';
import { MemoryStore } from './memory-store.ts';
import { checkSchema, SCHEMA, schemaOf } from './schema-version.ts';
import type { DegradedRecord, SnapshotRecord } from './schema.ts';
import type { Change, MetadataStore } from './store.ts';

type Database = Level;

/**
 * `r:<key>` → record; `i:<id>` → key, so that an unreadable record's directory is still known; `k:<id>` → nothing, a directory that is
 * kept; `m:last-id`; `m:schema`.
 */
const RECORD = 'r:';
const ID = 'i:';
const KEPT = 'k:';
const LAST_ID = 'm:last-id';
const SCHEMA_VERSION = 'm:schema';
/**
 * How far ahead of the ids in use the stored last id runs. An id whose snapshot was never written may still be at work when
 * the daemon was killed (a Nix process that makes its root), so no later run may give it out again.
 */
const RESERVED_IDS = 100;

/** Metadata in LevelDB: one synced batch per change, reads from a copy in memory. */
export class LevelStore implements MetadataStore {
  /** How the database was found. */
  readonly found: FoundDatabase;
  readonly #db: Database;
  readonly #loss: LossMark;
  readonly #memory: MemoryStore;
  #lastId: number;
  /** Changes of which it is not known whether they reached the disk; LevelDB refuses writes until it is opened anew. */
  readonly #doubtful = { keys: new Set<string>(), ids: new Set<number>() };

  private constructor({ db, loss, loaded, found }: Opened, lastId: number) {
    this.found = found;
    this.#db = db;
    this.#loss = loss;
    this.#memory = new MemoryStore({ ...loaded, lastId });
    this.#lastId = lastId;
  }

  /**
   * Opens or makes the database in `directory`; repairs it once if LevelDB calls it corrupt. Until {@link restored} is called, each
   * further `open` finds it as this one did: new, or repaired.
   *
   * @param minimumId ids up to this one are never given out (the greatest one found on disk).
   * @throws StatusError FailedPrecondition when another process has it open, it cannot be opened, or a newer version of this program
   *   wrote it.
   */
  static async open(directory: string, minimumId: number, log: Log): Promise<LevelStore> {
    const opened = await openDatabase(directory, log);
    try {
      if (opened.found.isNew && minimumId > 0) opened.loss.set();
      const store = new LevelStore(opened, Math.max(opened.loaded.lastId, minimumId));
      await store.#write([]);
      return store;
    } catch (error) {
      await opened.db.close();
      throw error;
    }
  }

  get(key: string): SnapshotRecord | undefined {
    return this.#memory.get(key);
  }

  list(): readonly SnapshotRecord[] {
    return this.#memory.list();
  }

  hasChildren(key: string): boolean {
    return this.#memory.hasChildren(key);
  }

  degraded(): readonly DegradedRecord[] {
    return this.#memory.degraded();
  }

  kept(): ReadonlySet<number> {
    return this.#memory.kept();
  }

  /** Adds to {@link kept}. */
  async keep(ids: readonly number[]): Promise<void> {
    const batch = this.#db.batch();
    for (const id of ids) batch.put(KEPT + id, '');
    await batch.write({ sync: true });
    this.#memory.keep(ids);
  }

  async forget(ids: readonly number[]): Promise<void> {
    const batch = this.#db.batch();
    for (const id of ids) batch.del(KEPT + id);
    await batch.write({ sync: true });
    await this.#memory.forget(ids);
  }

  /** Says that what was lost is made again, as far as it can be. */
  restored(): void {
    this.#loss.clear();
  }

  /** Says that all on disk is as {@link SCHEMA} says. */
  async migrated(): Promise<void> {
    await this.#db.put(SCHEMA_VERSION, String(SCHEMA), { sync: true });
  }

  nextId(): number {
    this.#lastId += 1;
    return this.#lastId;
  }

  async apply(changes: readonly Change[]): Promise<void> {
    try {
      if (this.#doubtful.keys.size > 0) await this.#recover();
      await this.#write(changes);
    } catch (error) {
      for (const change of changes) this.#doubt(change);
      const reason = messageOf(causeOf(error) ?? error);
      const full = /no space left|quota exceeded/i.test(reason);
      throw new StatusError(
        full ? 'ResourceExhausted' : 'Internal',
        `metadata in ${this.#db.location} was not written: ${reason}${full ? '; free space there and try again' : ''}`,
        { cause: error },
      );
    }
    for (const change of changes) {
      if (change.type === 'put') this.#lastId = Math.max(this.#lastId, change.record.id);
    }
    await this.#memory.apply(changes);
  }

  /**
   * Closes the database. After this no id is at work, and the next run goes on with the following one; where that cannot be
   * written (a full disk), the next run only leaves out more ids.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#db.put(LAST_ID, String(this.#lastId), { sync: true }).catch(() => {});
    await this.#db.close();
  }

  #doubt(change: Change): void {
    this.#doubtful.keys.add(change.type === 'put' ? change.record.key : change.key);
    if (change.type === 'put') this.#doubtful.ids.add(change.record.id);
  }

  /** Opens the database anew after a failed write and puts back what is in memory; a degraded record stays as it is. */
  async #recover(): Promise<void> {
    const { keys, ids } = this.#doubtful;
    await this.#db.close();
    await this.#db.open();
    const degraded = new Set(this.degraded().map(({ key }) => key));
    const undo: Change[] = [];
    for (const key of keys) {
      const record = this.get(key);
      if (record !== undefined) undo.push({ type: 'put', record });
      else if (!degraded.has(key)) undo.push({ type: 'delete', key });
    }
    await this.#write(undo, ids);
    keys.clear();
    ids.clear();
  }

  /** @param unsure ids that belong to no snapshot unless a change says so. */
  #write(changes: readonly Change[], unsure: Iterable<number> = []): Promise<void> {
    const batch = this.#db.batch();
    for (const id of unsure) batch.del(ID + id);
    for (const change of changes) {
      if (change.type === 'delete') {
        batch.del(RECORD + change.key);
        const id = this.#idOf(change.key);
        if (id !== undefined) batch.del(ID + id);
      }
    }
    for (const change of changes) {
      if (change.type === 'put') {
        batch.put(RECORD + change.record.key, encodeRecord(change.record));
        batch.put(ID + change.record.id, change.record.key);
      }
    }
    batch.put(LAST_ID, String(this.#lastId + RESERVED_IDS));
    return batch.write({ sync: true });
  }

  #idOf(key: string): number | undefined {
    const record = this.#memory.get(key);
    if (record !== undefined) return record.id;
    return this.#memory.degraded().find((degraded) => degraded.key === key)?.id;
  }
}

async function openDatabase(directory: string, log: Log): Promise<Opened> {
  const loss = new LossMark(directory);
  loss.setIfJournalIsGone();
  const db: Database = new Level(directory, { keyEncoding: 'utf8', valueEncoding: 'utf8' });
  try {
    return await readDatabase(db, loss, log);
  } catch (error) {
    await db.close();
    if (error instanceof StatusError) throw error;
    const reason = messageOf(causeOf(error) ?? error);
    if (hasCode(error, 'LEVEL_LOCKED')) {
      throw new StatusError(
        'FailedPrecondition',
        `metadata ${directory} is in use: another nix-snapshotter runs on this root; stop it or choose another --root`,
        { cause: error },
      );
    }
    if (!hasCode(error, 'LEVEL_CORRUPTION') && !MANIFEST_GONE.test(reason)) {
      throw new StatusError('FailedPrecondition', `metadata ${directory} cannot be opened: ${reason}`, {
        cause: error,
      });
    }
    log.error({ directory, error: reason }, 'metadata is corrupt: repairing it');
  }
  loss.set();
  await repair(directory);
  try {
    return await readDatabase(db, loss, log);
  } catch (error) {
    await db.close();
    throw error;
  }
}

/** LevelDB takes this for an error of input, and repairs it all the same. */
const MANIFEST_GONE = /MANIFEST-\d+: No such file/;

async function readDatabase(db: Database, loss: LossMark, log: Log): Promise<Opened> {
  await db.open();
  const isNew = (await db.keys({ limit: 1 }).all()).length === 0;
  const repaired = loss.isSet();
  if (repaired) log.error({ directory: db.location }, 'metadata is corrupt: records may be lost');
  const schema = isNew ? SCHEMA : schemaOf(await db.get(SCHEMA_VERSION));
  checkSchema(schema, db.location);
  return { db, loss, loaded: await load(db, log), found: { isNew, repaired, schema } };
}

/** On Node.js `level` is classic-level, whose static `repair` its types, made for browsers too, leave out. */
function repair(directory: string): Promise<void> {
  return (Level as unknown as { repair(location: string): Promise<void> }).repair(directory);
}

/** How a database was found when it was opened. */
export interface FoundDatabase {
  /** Nothing was in it. */
  readonly isNew: boolean;
  /** LevelDB repaired it, or left out what it could not read: records may be lost. */
  readonly repaired: boolean;
  /** The version of its contents, see {@link SCHEMA}. */
  readonly schema: number;
}

interface Loaded {
  readonly records: SnapshotRecord[];
  readonly degraded: DegradedRecord[];
  readonly kept: number[];
  readonly lastId: number;
}

interface Opened {
  readonly db: Database;
  readonly loss: LossMark;
  readonly loaded: Loaded;
  readonly found: FoundDatabase;
}

async function load(db: Database, log: Log): Promise<Loaded> {
  const records: SnapshotRecord[] = [];
  const degraded: DegradedRecord[] = [];
  const ids = new Map<string, number>();
  const kept = (await db.keys({ gte: KEPT, lt: 'k;' }).all()).map((key) => safeCount(key.slice(KEPT.length)));
  let lastId = safeCount(await db.get(LAST_ID));
  for await (const [id, key] of db.iterator({ gte: 'i:', lt: 'i;' })) {
    ids.set(key, safeCount(id.slice(ID.length)));
  }
  for await (const [recordKey, text] of db.iterator({ gte: 'r:', lt: 'r;' })) {
    const key = recordKey.slice(RECORD.length);
    try {
      const record = decodeRecord(key, text);
      records.push(record);
      lastId = Math.max(lastId, record.id);
    } catch (error) {
      const reason = `its metadata record is corrupt: ${messageOf(error)}`;
      log.error({ key, reason }, 'snapshot is degraded');
      degraded.push({ key, id: ids.get(key), reason });
    }
  }
  for (const id of ids.values()) lastId = Math.max(lastId, id);
  return { records, degraded, kept, lastId };
}

function safeCount(text: string | undefined): number {
  const value = Number(text ?? '0');
  return Number.isSafeInteger(value) && value > 0 ? value : 0;
}

function causeOf(error: unknown): unknown {
  return error instanceof Error ? error.cause : undefined;
}

/** LevelDB's code is on the error itself or, of an open that failed, on its cause. */
function hasCode(error: unknown, code: string): boolean {
  return errnoOf(error) === code || errnoOf(causeOf(error)) === code;
}
