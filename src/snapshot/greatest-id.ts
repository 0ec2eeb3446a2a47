import { readdir } from 'node:fs/promises';
import { snapshotNumber } from '../host/snapshot-directory.ts';
import { GcRoots } from '../nix/gc-roots.ts';
import type { Layout } from './layout.ts';

/**
 * The greatest id that has left something on disk, 0 without any: where metadata is lost, none up to it may be given out again. The GC
 * root of a snapshot that is gone is named by its id alone, and removed by it when the grace period has passed.
 */
export async function greatestId({ snapshots, gcRoots }: Layout): Promise<number> {
  const numbers = (await readdir(snapshots)).map(snapshotNumber);
  const rooted = await new GcRoots({ directory: gcRoots }).list();
  return [...numbers, ...rooted].reduce((one, other) => Math.max(one, other), 0);
}
