import type { DegradedRecord, SnapshotRecord } from './schema.ts';

/** A change of the metadata; a list of them is applied whole or not at all. */
export type Change =
  | { readonly type: 'put'; readonly record: SnapshotRecord }
  | { readonly type: 'delete'; readonly key: string };

/**
 * Snapshot records by key. Reads answer from memory; {@link apply} returns when the change is on disk.
 * One writer: callers serialise their read-then-apply themselves.
 */
export interface MetadataStore extends AsyncDisposable {
  /**
   * Ids of directories whose records were lost: whose they are nobody knows, and a container may use them. They stay kept over
   * restarts until {@link forget}.
   */
  kept(): ReadonlySet<number>;
  /** Takes ids out of {@link kept}: their directories are garbage from now on. */
  forget(ids: readonly number[]): Promise<void>;
  get(key: string): SnapshotRecord | undefined;
  /** All records, in no particular order; a snapshot of the set at the time of the call. */
  list(): readonly SnapshotRecord[];
  /** True when some record has this parent. */
  hasChildren(key: string): boolean;
  /** Records that could not be read when the store was opened. `delete` by key removes them. */
  degraded(): readonly DegradedRecord[];
  /** A new id, greater than every id ever used here, also across restarts and failed creations. */
  nextId(): number;
  /** Atomic and synced to disk. Throws StatusError ResourceExhausted when the disk is full, and nothing changed. */
  apply(changes: readonly Change[]): Promise<void>;
}
