import { chmod, lchown, mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf } from '../errors.ts';
import { diskError } from './disk-error.ts';

/** What a directory under construction is called until it gets its number. */
export const TEMPORARY_PREFIX = 'new-';

/**
 * Makes `<parent>/<id>` with `fs` (0755 whatever the umask) and, for an active snapshot, `work` (0711), under a temporary
 * name first, so that a directory with a number is always whole.
 *
 * @throws StatusError ResourceExhausted (disk full) or Internal, naming the directory; nothing is left.
 */
export async function makeSnapshotDirectory(
  parent: string,
  id: number,
  withWork: boolean,
  owner: { readonly uid: number; readonly gid: number } | undefined,
): Promise<void> {
  let temporary: string | undefined;
  try {
    temporary = await mkdtemp(join(parent, TEMPORARY_PREFIX));
    const fs = join(temporary, 'fs');
    await mkdir(fs);
    await chmod(fs, 0o755);
    if (withWork) {
      await mkdir(join(temporary, 'work'));
      await chmod(join(temporary, 'work'), 0o711);
    }
    if (owner !== undefined) await lchown(fs, owner.uid, owner.gid);
    await rename(temporary, join(parent, String(id)));
  } catch (error) {
    if (temporary !== undefined) await rm(temporary, { recursive: true, force: true });
    throw diskError(`snapshot directory ${join(parent, String(id))} cannot be made`, error);
  }
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
