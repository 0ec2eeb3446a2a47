import { statfs } from 'node:fs/promises';

/** Of a file system, in bytes. */
export interface DiskSpace {
  /** What others than root may still write. */
  readonly free: number;
  readonly size: number;
}

/** Looks that have not come back: a network file system may keep one for ever, and there are few threads for them. */
const pending = new Map<string, Promise<DiskSpace | undefined>>();

/**
 * The space on the file system that a directory is on; undefined when it cannot be told, or not within `patienceMs` milliseconds.
 */
export async function diskSpace(directory: string, patienceMs: number): Promise<DiskSpace | undefined> {
  let look = pending.get(directory);
  if (look === undefined) {
    look = statfs(directory)
      .then(({ bavail, blocks, bsize }) => ({ free: bavail * bsize, size: blocks * bsize }))
      .catch(() => undefined)
      .finally(() => pending.delete(directory));
    pending.set(directory, look);
  }
  const { promise: late, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => resolve(undefined), patienceMs);
  try {
    return await Promise.race([look, late]);
  } finally {
    clearTimeout(timer);
  }
}
