import { readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { errnoOf } from '../errors.ts';

const POLL_MS = 20;

/** The file that Nix's garbage collector holds an exclusive lock on while it runs (nix `src/libstore/gc.cc`). */
export function collectorLock(realStoreDir: string): string {
  return join(dirname(realStoreDir), 'var', 'nix', 'gc.lock');
}

/**
 * Waits for the end of a garbage collection that runs now.
 *
 * @returns false when it still runs after `withinMs` milliseconds.
 */
export async function collectorEnded(
  lockFile: string,
  withinMs: number,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const inode = await inodeOf(lockFile);
  if (inode === undefined) return true;
  const deadline = performance.now() + withinMs;
  while (holdsExclusively(await readFile('/proc/locks', 'utf8'), inode)) {
    if (performance.now() > deadline) return false;
    await setTimeout(POLL_MS, undefined, signal === undefined ? {} : { signal });
  }
  return true;
}

/**
 * True when somebody has an exclusive flock(2) on the inode, by the text of /proc/locks (proc(5)). The device is left out: some
 * file systems show another one there than stat(2) does, and a wait too many does no harm.
 */
export function holdsExclusively(locks: string, inode: bigint): boolean {
  return locks
    .split('\n')
    .some((line) => /^\d+: FLOCK\s+\S+\s+WRITE /.test(line) && line.includes(`:${inode} `));
}

/** Undefined when Nix never made the file: nothing was ever collected. */
async function inodeOf(file: string): Promise<bigint | undefined> {
  try {
    return (await stat(file, { bigint: true })).ino;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'EACCES') return undefined;
    throw error;
  }
}
