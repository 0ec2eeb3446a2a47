import { StatusError } from '../errors.ts';
import type { SnapshotRecord } from '../metadata/schema.ts';
import type { MetadataStore } from '../metadata/store.ts';

/**
 * The committed ancestors of a snapshot, the immediate parent first.
 *
 * @param parent name of the parent, '' for none.
 * @throws StatusError NotFound (no such parent), InvalidArgument (parent is not committed),
 *   DataLoss (an ancestor's record is unreadable).
 */
export function chainOf(store: MetadataStore, parent: string): readonly SnapshotRecord[] {
  const chain: SnapshotRecord[] = [];
  for (let name = parent; name !== ''; ) {
    const record = store.get(name);
    if (record === undefined) throw absentParent(store, name, chain.length === 0);
    if (record.kind !== 'committed') {
      throw new StatusError(
        'InvalidArgument',
        `parent ${JSON.stringify(name)} is not committed snapshot: invalid argument`,
      );
    }
    chain.push(record);
    name = record.parent;
  }
  return chain;
}

/**
 * The record of `key`.
 *
 * @throws StatusError NotFound, or DataLoss when its record is on disk but unreadable.
 */
export function mustGet(store: MetadataStore, key: string): SnapshotRecord {
  const record = store.get(key);
  if (record !== undefined) return record;
  throw (
    degradedError(store, key) ?? new StatusError('NotFound', `snapshot ${JSON.stringify(key)}: not found`)
  );
}

/** True when the key is taken, be it by a record that cannot be read. */
export function isTaken(store: MetadataStore, key: string): boolean {
  return store.get(key) !== undefined || store.degraded().some((degraded) => degraded.key === key);
}

function absentParent(store: MetadataStore, name: string, immediate: boolean): StatusError {
  const degraded = degradedError(store, name);
  if (degraded !== undefined) return degraded;
  return immediate
    ? new StatusError('NotFound', `missing parent ${JSON.stringify(name)} bucket: not found`)
    : new StatusError(
        'DataLoss',
        `ancestor ${JSON.stringify(name)} is gone; remove the snapshots above it and pull again`,
      );
}

function degradedError(store: MetadataStore, key: string): StatusError | undefined {
  const degraded = store.degraded().find((candidate) => candidate.key === key);
  if (degraded === undefined) return undefined;
  return new StatusError(
    'DataLoss',
    `snapshot ${JSON.stringify(key)} is degraded: ${degraded.reason}; remove it and pull the image again`,
  );
}
