import type { Log } from '../log.ts';
import { LevelStore } from './level-store.ts';
import type { RecordCopies } from './record-copies.ts';
import type { SnapshotRecord } from './schema.ts';
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
    const record = [...found.values()].map(recordIn).find((copy) => copy?.key === key);
    if (record === undefined || (id !== undefined && id !== record.id)) continue;
    await store.apply([{ type: 'put', record }]);
    repairs.push(
      `snapshot ${JSON.stringify(key)}: its corrupt record was made again from the copy in its directory`,
    );
  }
  if (!lossy) return repairs;
  const what = `metadata ${directory} was ${isNew ? 'lost' : 'corrupt'}`;
  if (repaired) repairs.push(`${what}; LevelDB repaired it, ${store.list().length} records could be read`);
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
  const { isNew, schema } = store.found;
  if (schema === SCHEMA && !isNew) return [];
  for (const record of store.list()) if (!copies.has(record.id)) copies.write(record);
  await store.migrated();
  return isNew ? [] : [`metadata of schema version ${schema} was migrated to version ${SCHEMA}`];
}

function recordIn(copy: { readonly record: SnapshotRecord } | object): SnapshotRecord | undefined {
  return 'record' in copy ? copy.record : undefined;
}
