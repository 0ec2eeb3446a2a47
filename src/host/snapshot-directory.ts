import { chmodSync, lchownSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf } from '../errors.ts';
import { diskError } from './disk-error.ts';

/** What a directory under construction is called until it gets its number. */
export const TEMPORARY_PREFIX = 'new-';

const NUMBERED = new RegExp(`^(?:${TEMPORARY_PREFIX})?(\\d{1,15})$`);

/** The number in the name of a snapshot's directory, be it under construction; 0 for any other name. */
export function snapshotNumber(name: string): number {
  return Number(NUMBERED.exec(name)?.[1] ?? 0);
}

export interface SnapshotDirectory {
  /** Used for one directory only. */
  readonly id: number;
  readonly withWork: boolean;
  readonly owner: { readonly uid: number; readonly gid: number } | undefined;
  /** Text files beside `fs`, by their names. */
  readonly files: ReadonlyMap<string, string>;
}

/**
 * Makes `<parent>/<id>` with `fs` (0755 whatever the umask) and, for an active snapshot, `work` (0711), under a temporary
 * name first, so that a directory with a number is always whole. Synchronous: the calls take 20 µs each, and a turn of
 * the thread pool for each of them many times that.
 *
 * @throws StatusError ResourceExhausted (disk full) or Internal, naming the directory; nothing is left.
 */
export function makeSnapshotDirectory(
  parent: string,
  { id, withWork, owner, files }: SnapshotDirectory,
): void {
  const temporary = join(parent, `${TEMPORARY_PREFIX}${id}`);
  try {
    mkdirSync(temporary, 0o700);
    const fs = join(temporary, 'fs');
    makeWithMode(fs, 0o755);
    if (withWork) makeWithMode(join(temporary, 'work'), 0o711);
    if (owner !== undefined) lchownSync(fs, owner.uid, owner.gid);
    for (const [name, text] of files) writeFileSync(join(temporary, name), text, { mode: 0o600 });
    renameSync(temporary, join(parent, String(id)));
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true });
    throw diskError(`snapshot directory ${join(parent, String(id))} cannot be made`, error);
  }
}

function makeWithMode(directory: string, mode: number): void {
  mkdirSync(directory);
  chmodSync(directory, mode);
}

/**
 * Removes a directory with all below it; one that is not there is no error. Does not follow links.
 *
 * @throws the error of Node.js or of execa that says what could not be removed.
 */
export async function removeTree(directory: string): Promise<void> {
  try {
    await rm(directory, { recursive: true, force: true });
  } catch (error) {
    // A container may nest directories deeper than a path can be long; rm(1) does not need the path.
    if (errnoOf(error) !== 'ENAMETOOLONG') throw error;
    const { execa } = await import('execa');
    await execa('rm', ['-rf', '--', directory], { stdin: 'ignore' });
  }
}
