import { chmod, lstat, lutimes, readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** A tree's files, as paths relative to it, sorted; and their bytes. */
export interface TreeSize {
  readonly files: readonly string[];
  readonly bytes: number;
}

/**
 * Gives a tree the modes and the time that do not depend on who made it, when and where: 0755 for directories and for what
 * may be executed, else 0644.
 *
 * @param epoch seconds.
 */
export async function normaliseTree(directory: string, epoch: number): Promise<TreeSize> {
  const files: string[] = [];
  let bytes = 0;
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const { mode, size } = await lstat(path);
    if (!entry.isSymbolicLink()) {
      await chmod(path, entry.isDirectory() || (mode & 0o100) !== 0 ? 0o755 : 0o644);
    }
    await lutimes(path, epoch, epoch);
    if (!entry.isFile()) continue;
    files.push(path.slice(directory.length + 1));
    bytes += size;
  }
  await chmod(directory, 0o755);
  await lutimes(directory, epoch, epoch);
  return { files: files.toSorted(), bytes };
}
