import { constants } from 'node:fs';
import { lstat, open } from 'node:fs/promises';
import { join } from 'node:path';
import { LRUCache } from 'lru-cache';
import { errnoOf, messageOf, StatusError } from '../errors.ts';
import type { LayerClosure } from './annotations.ts';
import { parseStorePath, storePathName, type StorePath } from './store-path.ts';

/** The list of a closure in a `closureInfo` output. Source: nixpkgs `pkgs/build-support/closure-info.nix`. */
export const STORE_PATHS_FILE = 'store-paths';

/** Largest `store-paths` file that is read, in bytes. */
const MAX_FILE = 16 * 1024 * 1024;

export interface ClosureReaderOptions {
  /** The directory on this host that holds what containers see as `/nix/store`. */
  readonly realStoreDir: () => Promise<string>;
  /** How many `closureInfo` lists are kept in memory. */
  readonly cached?: number;
}

/** Says which store paths a layer shows. Lists are cached: a store path never changes. */
export class ClosureReader {
  readonly #realStoreDir: () => Promise<string>;
  readonly #lists: LRUCache<StorePath, readonly StorePath[]>;

  constructor(options: ClosureReaderOptions) {
    this.#realStoreDir = options.realStoreDir;
    this.#lists = new LRUCache({ max: options.cached ?? 64 });
  }

  /**
   * The store paths of a layer, sorted, each once. The `closureInfo` output must be valid; it is not shown itself
   * unless it lists itself.
   *
   * @throws StatusError FailedPrecondition when the `closureInfo` output is not on this host; InvalidArgument when
   *   it holds no list, or the list is too long or names something that is no store path.
   */
  async pathsOf(closure: LayerClosure): Promise<readonly StorePath[]> {
    if (closure.kind === 'paths') return closure.paths;
    const known = this.#lists.get(closure.path);
    const paths = known ?? (await this.#read(closure.path));
    this.#lists.set(closure.path, paths);
    return paths;
  }

  async #read(path: StorePath): Promise<readonly StorePath[]> {
    const directory = join(await this.#realStoreDir(), storePathName(path));
    try {
      // A symlink is not followed: on this host it may lead out of the store.
      if (!(await lstat(directory)).isDirectory()) throw refused(path, 'it is not a directory');
      return parseStorePaths(path, await readRegularFile(path, join(directory, STORE_PATHS_FILE)));
    } catch (error) {
      if (error instanceof StatusError) throw error;
      if (errnoOf(error) === 'ELOOP') throw refused(path, `${STORE_PATHS_FILE} is a symlink`);
      const absent = errnoOf(error) === 'ENOENT';
      throw new StatusError(
        absent ? 'FailedPrecondition' : 'Internal',
        `closure ${path}: ${join(directory, STORE_PATHS_FILE)} cannot be read: ${messageOf(error)}; ` +
          'pull the image again',
        { cause: error },
      );
    }
  }
}

/**
 * Parses a `store-paths` file: one store path a line. Nothing of a bad line is repeated in the error: the file may
 * be anything.
 */
export function parseStorePaths(path: StorePath, text: string): readonly StorePath[] {
  const paths = new Set<StorePath>();
  for (const [index, line] of text.split('\n').entries()) {
    if (line === '') continue;
    const parsed = parseStorePath(line);
    if (parsed === undefined)
      throw refused(path, `line ${index + 1} of ${STORE_PATHS_FILE} is not a store path`);
    paths.add(parsed);
  }
  return [...paths].toSorted();
}

async function readRegularFile(path: StorePath, file: string): Promise<string> {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  await using handle = await open(file, flags);
  const stats = await handle.stat();
  if (!stats.isFile()) throw refused(path, `${STORE_PATHS_FILE} is not a regular file`);
  if (stats.size > MAX_FILE) throw refused(path, `${STORE_PATHS_FILE} is longer than ${MAX_FILE} bytes`);
  return handle.readFile('utf8');
}

function refused(path: StorePath, cause: string): StatusError {
  return new StatusError(
    'InvalidArgument',
    `closure ${path}: ${cause}; the annotation must name a closureInfo output: invalid argument`,
  );
}
