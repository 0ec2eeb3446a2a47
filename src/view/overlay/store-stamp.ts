import { statSync } from 'node:fs';

/** Changes that follow each other faster than this may have the same time stamp, in nanoseconds. */
const GRANULARITY_NS = 20_000_000n;

/**
 * A value that stays the same as long as no path appears in the store directory or vanishes from it: its modification time.
 *
 * @returns undefined while a change is so recent that the next one could have the same time, and without a store directory.
 */
export function storeStamp(realStoreDir: string): bigint | undefined {
  const stats = statSync(realStoreDir, { bigint: true, throwIfNoEntry: false });
  if (stats === undefined) return undefined;
  const now = BigInt(Date.now()) * 1_000_000n;
  return now - stats.mtimeNs > GRANULARITY_NS ? stats.mtimeNs : undefined;
}
