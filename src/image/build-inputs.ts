import { lstat, readFile, readlink, realpath } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import * as v from 'valibot';
import { parseStorePath, STORE_DIR, type StorePath } from '../closure/store-path.ts';
import { withoutTrailingSlashes } from '../closure/trailing-slashes.ts';
import { errnoOf, messageOf, StatusError } from '../errors.ts';
import { parseJson } from './descriptor.ts';
import type { RunConfig } from './image-config.ts';
import { storePathOf } from './store-files.ts';

const MENTION = /\/nix\/store\/[0-9abcdfghijklmnpqrsvwxyz]{32}-[0-9a-zA-Z+\-._?=]{1,211}/g;
const MAX_LINKS = 40;

/**
 * The store path an argument stands for: a path in the store, or a link to one such as `./result`.
 *
 * @returns undefined for any other path.
 * @throws StatusError InvalidArgument for a path below the store directory that is not legal.
 */
export async function storePathArgument(argument: string): Promise<StorePath | undefined> {
  let path = resolve(argument);
  for (let hops = 0; hops < MAX_LINKS; hops++) {
    if (path.startsWith(`${STORE_DIR}/`)) {
      const storePath = storePathOf(path);
      if (storePath !== undefined) return storePath;
      throw new StatusError('InvalidArgument', `${argument}: ${path} is not a legal store path`);
    }
    try {
      if (!(await lstat(path)).isSymbolicLink()) return undefined;
      path = resolve(dirname(path), await readlink(path));
    } catch (error) {
      if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return undefined;
      throw error;
    }
  }
  throw new StatusError('InvalidArgument', `${argument}: too many links`);
}

/**
 * One `--copy-to-root` value: a directory in the store, or (as the Go tool takes it) a JSON file with a list of
 * them. A value that ends in `.json` is such a file, inside the store or not.
 *
 * @throws StatusError NotFound or InvalidArgument naming the file and the item.
 */
export async function copyToRootArgument(value: string): Promise<readonly StorePath[]> {
  const direct = value.endsWith('.json') ? undefined : await storePathArgument(value);
  if (direct !== undefined) return [direct];
  const list = parseJson(v.nullable(v.array(v.string())), await readInput(value), value) ?? [];
  return list.map((item) => {
    const path = parseStorePath(withoutTrailingSlashes(item));
    if (path !== undefined) return path;
    throw new StatusError(
      'InvalidArgument',
      `${value}: ${JSON.stringify(item.slice(0, 300))} is not a store path`,
    );
  });
}

/** The `closureInfo` output that a `--closure` file is the `store-paths` of; undefined when it lies elsewhere. */
export async function closureInfoOf(file: string): Promise<StorePath | undefined> {
  if (!file.endsWith('/store-paths')) return undefined;
  return parseStorePath(dirname(resolve(file))) ?? parseStorePath(dirname(await realpath(file)));
}

/** All store paths that a config's texts mention, sorted. */
export function mentionedPaths(config: RunConfig): readonly StorePath[] {
  const found = JSON.stringify(config).match(MENTION) ?? [];
  return [...new Set(found.flatMap((text) => parseStorePath(text) ?? []))].toSorted();
}

/** @throws StatusError NotFound naming the file. */
export async function readInput(file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (cause) {
    throw new StatusError('NotFound', `${file}: cannot be read: ${messageOf(cause)}`, { cause });
  }
}
