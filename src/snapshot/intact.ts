import { lstatSync } from 'node:fs';
import { StatusError } from '../errors.ts';
import type { SnapshotRecord } from '../metadata/schema.ts';
import type { Layout } from './layout.ts';

/**
 * Sees to it that the directories of snapshots are still there, before mounts that name them are handed out.
 *
 * @throws StatusError DataLoss naming the first snapshot whose directory is gone.
 */
export function checkIntact(records: readonly SnapshotRecord[], layout: Layout): void {
  for (const { key, id } of records) {
    const fs = layout.fs(id);
    if (lstatSync(fs, { throwIfNoEntry: false })?.isDirectory() === true) continue;
    throw new StatusError(
      'DataLoss',
      `snapshot ${JSON.stringify(key)}: its directory ${fs} is gone; remove it and what is on top of it, and pull the image again`,
    );
  }
}
