import type { Log } from '../log.ts';
import { LevelStore } from './level-store.ts';
import type { FoundCopy, RecordCopies } from './record-copies.ts';
import type { SnapshotRecord, Timestamp } from './schema.ts';
import { SCHEMA } from './schema-version.ts';

export interface OpenMetadataOptions {
  /** The database. */
  readonly directory: string;
  /** No id up to this one is given out. */
  readonly minimumId: number;
}

export interface OpenMetadataDeps {
  readonly copies: RecordCopies;
  readonly log: Log;
}

/** Metadata that is ready for use, and what had to be done for that, one sentence each. */
export interface OpenMetadata {
  readonly store: LevelStore;
  readonly repairs: readonly string[];
}

/**
 * Opens the metadata: what is corrupt, or lost as a whole, is made again from the copies in the snapshots' directories, and an older
 * schema is migrated. A directory that nothing is known of after a loss is kept.
 *
 * @throws StatusError what {@link LevelStore.open} throws.
 */
export async function openMetadata(
  { directory, minimumId }: OpenMetadataOptions,
  { copies, log }: OpenMetadataDeps,
): Promise<OpenMetadata> {
  const store = await LevelStore.open(directory, minimumId, log);
  try {
    const repairs = [...(await restore(store, directory, copies)), ...(await migrate(store, copies))];
    store.restored();
    for (const repair of repairs) log.warn({ repair }, 'metadata was repaired');
    return { store, repairs };
  } catch (error) {
    await store[Symbol.asyncDispose]();
    throw error;
  }
}

async function restore(
  store: LevelStore,
  directory: string,
  copies: RecordCopies,
): Promise<readonly string[]> {
  const { isNew, repaired } = store.found;
  const lossy = isNew || repaired;
  if (!lossy && store.degraded().length === 0) return [];
  const found = await copies.readAll();
  const repairs: string[] = [];
  for (const { key, id } of store.degraded()) {
    const record = recordOf(key, id, found);
    if (record === undefined) continue;
    await store.apply([{ type: 'put', record }]);
    repairs.push(
      `snapshot ${JSON.stringify(key)}: its corrupt record was made again from the copy in its directory`,
    );
  }
  if (!lossy) return repairs;
  const what = `metadata ${directory} was ${isNew ? 'lost' : 'corrupt'}`;
  if (repaired) repairs.push(`${what}; LevelDB repaired it, ${store.list().length} records could be read`);
  const outdated = store.list().flatMap((record) => {
    const copy = recordIn(found.get(record.id));
    return copy !== undefined && isLater(copy.updated, record.updated) ? [{ record, copy }] : [];
  });
  for (const { record, copy } of outdated) {
    await store.apply([
      { type: 'delete', key: record.key },
      { type: 'put', record: copy },
    ]);
  }
  if (outdated.length > 0) {
    repairs.push(`${what}; ${outdated.length} records were older than the copies in their directories`);
  }
  const named = new Set([...store.list(), ...store.degraded()].map(({ id }) => id));
  const lost = [...found].filter(([id]) => !named.has(id)).toSorted(([one], [other]) => other - one);
  const changes = new Map<string, SnapshotRecord>();
  const unknown: number[] = [];
  for (const [id, copy] of lost) {
    const record = recordIn(copy);
    // Of two directories that say the same name the newer is right: the other was on its way out.
    const taken = record !== undefined && (changes.has(record.key) || store.get(record.key) !== undefined);
    if (record === undefined || taken) unknown.push(id);
    else changes.set(record.key, record);
  }
  if (changes.size > 0) {
    await store.apply([...changes.values()].map((record) => ({ type: 'put', record })));
    repairs.push(
      `${what}; ${changes.size} snapshots were made known again from the copies in their directories`,
    );
  }
  if (unknown.length > 0) {
    await store.keep(unknown);
    repairs.push(`${what}; ${unknown.length} directories that nothing is known of are kept`);
  }
  return repairs;
}

/** Every schema up to now differs from the next by the copies alone. */
async function migrate(store: LevelStore, copies: RecordCopies): Promise<readonly string[]> {
  const { isNew, repaired, schema } = store.found;
  const isWhole = !isNew && !repaired;
  if (schema === SCHEMA && isWhole) return [];
  for (const record of store.list()) if (!copies.has(record.id)) copies.write(record);
  await store.migrated();
  return isWhole ? [`metadata of schema version ${schema} was migrated to version ${SCHEMA}`] : [];
}

/** The copy of a record: of the directory with its id, or of the newest where the id is not known. */
function recordOf(
  key: string,
  id: number | undefined,
  found: ReadonlyMap<number, FoundCopy>,
): SnapshotRecord | undefined {
  const copies = [...found.values()].map(recordIn).filter((copy) => copy?.key === key);
  const fitting = id === undefined ? copies : copies.filter((copy) => copy?.id === id);
  return fitting.toSorted((one, other) => (other?.id ?? 0) - (one?.id ?? 0))[0];
}

function recordIn(copy: FoundCopy | undefined): SnapshotRecord | undefined {
  return copy !== undefined && 'record' in copy ? copy.record : undefined;
}

/** A copy is written after its record: it is the later one only where the record's change was lost. */
function isLater(one: Timestamp, other: Timestamp): boolean {
  return one.seconds === other.seconds ? one.nanos > other.nanos : one.seconds > other.seconds;
}
