import type { Stats } from 'node:fs';
import { lstat, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { storePathName, type StorePath } from '../closure/store-path.ts';
import { errnoOf, messageOf, StatusError } from '../errors.ts';
import type { ViewEntry } from './view.ts';

/** What is on disk of a closure. */
export interface EntriesOnDisk {
  readonly entries: readonly ViewEntry[];
  /** Paths that are not in the real store directory: collected, or never realised. */
  readonly missing: readonly StorePath[];
}

/**
 * Looks every path up in the real store directory, without following a symlink.
 *
 * @throws StatusError FailedPrecondition for a path that is neither directory, file nor symlink; Internal when it
 *   cannot be looked up.
 */
export async function readEntries(paths: readonly StorePath[], realStoreDir: string): Promise<EntriesOnDisk> {
  const found = await Promise.all(
    paths.map((path) => readEntry(path, join(realStoreDir, storePathName(path)))),
  );
  return {
    entries: found.filter((entry) => entry !== undefined),
    missing: paths.filter((_, index) => found[index] === undefined),
  };
}

/** The error for closure paths that are still missing after a realise. */
export function missingPathsError(missing: readonly StorePath[], realStoreDir: string): StatusError {
  const more = missing.length > 1 ? ` and ${missing.length - 1} more` : '';
  return new StatusError(
    'FailedPrecondition',
    `store path ${missing[0] ?? '(none)'}${more} is not in ${realStoreDir}, though Nix takes it for valid; ` +
      'run `nix-store --verify --check-contents --repair` on this host: failed precondition',
  );
}

async function readEntry(path: StorePath, file: string): Promise<ViewEntry | undefined> {
  try {
    const stats = await lstat(file);
    if (stats.isSymbolicLink()) return { path, kind: 'symlink', linkTarget: await readlink(file) };
    return { path, kind: kindOf(path, stats) };
  } catch (error) {
    if (error instanceof StatusError) throw error;
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw new StatusError('Internal', `store path ${file} cannot be looked up: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

function kindOf(path: StorePath, stats: Stats): 'directory' | 'file' {
  if (stats.isDirectory()) return 'directory';
  if (stats.isFile()) return 'file';
  throw new StatusError(
    'FailedPrecondition',
    `store path ${path} is neither a directory, a file nor a symlink: failed precondition`,
  );
}
