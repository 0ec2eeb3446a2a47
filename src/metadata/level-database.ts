import { Level } from 'level';
import { errnoOf, messageOf, StatusError } from '../errors.ts';
import type { Log } from '../log.ts';
import { decodeRecord } from './codec.ts';
import { LossMark } from './loss-mark.ts';
import { checkSchema, SCHEMA, schemaOf } from './schema-version.ts';
import type { DegradedRecord, SnapshotRecord } from './schema.ts';

/**
 * `r:<key>` → record; `i:<id>` → key, so that an unreadable record's directory is still known; `k:<id>` → nothing, a directory that is
 * kept; `m:last-id`; `m:schema`.
 */
export const RECORD = 'r:';
export const ID = 'i:';
export const KEPT = 'k:';
export const LAST_ID = 'm:last-id';
export const SCHEMA_VERSION = 'm:schema';

/** How a database was found when it was opened. */
export interface FoundDatabase {
  /** Nothing was in it. */
  readonly isNew: boolean;
  /** LevelDB repaired it, or left out what it could not read: records may be lost. */
  readonly repaired: boolean;
  /** The version of its contents, see {@link SCHEMA}. */
  readonly schema: number;
}

/** All that is in a database. */
export interface LoadedMetadata {
  readonly records: SnapshotRecord[];
  readonly degraded: DegradedRecord[];
  readonly kept: number[];
  readonly lastId: number;
}

export interface OpenDatabase {
  readonly db: Level;
  readonly loss: LossMark;
  readonly loaded: LoadedMetadata;
  readonly found: FoundDatabase;
}

/**
 * Opens or makes the database in `directory`, and reads all of it; repairs it once if LevelDB calls it corrupt.
 *
 * @throws StatusError FailedPrecondition when another process has it open, it cannot be opened, or a newer version of this program
 *   wrote it.
 */
export async function openDatabase(directory: string, log: Log): Promise<OpenDatabase> {
  const loss = new LossMark(directory);
  loss.setIfJournalIsGone();
  const db: Level = new Level(directory, { keyEncoding: 'utf8', valueEncoding: 'utf8' });
  try {
    return await readDatabase(db, loss, log);
  } catch (error) {
    await db.close();
    if (error instanceof StatusError) throw error;
    const reason = reasonOf(error);
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

async function readDatabase(db: Level, loss: LossMark, log: Log): Promise<OpenDatabase> {
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

async function load(db: Level, log: Log): Promise<LoadedMetadata> {
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

/** LevelDB's words for an error of its. */
export function reasonOf(error: unknown): string {
  return messageOf(causeOf(error) ?? error);
}

function causeOf(error: unknown): unknown {
  return error instanceof Error ? error.cause : undefined;
}

/** LevelDB's code is on the error itself or, of an open that failed, on its cause. */
function hasCode(error: unknown, code: string): boolean {
  return errnoOf(error) === code || errnoOf(causeOf(error)) === code;
}
