import type { Level } from 'level';
import { StatusError } from '../errors.ts';
import type { Log } from '../log.ts';
import { encodeRecord } from './codec.ts';
import {
  type FoundDatabase,
  ID,
  KEPT,
  LAST_ID,
  openDatabase,
  type OpenDatabase,
  reasonOf,
  RECORD,
  SCHEMA_VERSION,
} from './level-database.ts';
import type { LossMark } from './loss-mark.ts';
import { MemoryStore } from './memory-store.ts';
import { SCHEMA } from './schema-version.ts';
import type { DegradedRecord, SnapshotRecord } from './schema.ts';
import type { Change, MetadataStore } from './store.ts';

/**
 * How far ahead of the ids in use the stored last id runs. An id whose snapshot was never written may still be at work when
 * the daemon was killed (a Nix process that makes its root), so no later run may give it out again.
 */
const RESERVED_IDS = 100;

/** Metadata in LevelDB: one synced batch per change, reads from a copy in memory. */
export class LevelStore implements MetadataStore {
  /** How the database was found. */
  readonly found: FoundDatabase;
  readonly #db: Level;
  readonly #loss: LossMark;
  readonly #memory: MemoryStore;
  #lastId: number;
  /** Changes of which it is not known whether they reached the disk; LevelDB refuses writes until it is opened anew. */
  readonly #doubtful = { keys: new Set<string>(), ids: new Set<number>() };

  private constructor({ db, loss, loaded, found }: OpenDatabase, lastId: number) {
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
      const reason = reasonOf(error);
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
