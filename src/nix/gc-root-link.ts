import { rename, rm, symlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { StorePath } from '../closure/store-path.ts';
import { errnoOf, messageOf, StatusError } from '../errors.ts';

/** Tells links that are being made at once apart; the name is one that `GcRoots` takes for the snapshot's. */
let made = 0;

/** Makes or replaces the symlink of a GC root, in one step. It protects nothing before Nix knows of it. */
export async function linkRoot(target: StorePath, root: string): Promise<void> {
  made += 1;
  const draft = join(dirname(root), `.${made}_${basename(root)}`);
  try {
    await rm(draft, { force: true });
    await symlink(target, draft);
    await rename(draft, root);
  } catch (error) {
    await rm(draft, { force: true });
    throw new StatusError(
      errnoOf(error) === 'ENOSPC' ? 'ResourceExhausted' : 'Internal',
      `GC root ${root} for ${target}: cannot be made: ${messageOf(error)}`,
      { cause: error },
    );
  }
}
