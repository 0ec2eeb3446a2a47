import { parseStorePath, type StorePath } from '../closure/store-path.ts';
import { StatusError } from '../errors.ts';

/** Store paths in one request: the largest system closures have about 10,000. */
export const MAX_PATHS_OF_REQUEST = 20_000;
/** Bytes of one request: that many of the longest store paths, and a little. */
export const MAX_REQUEST_BYTES = 6 * 1024 * 1024;

/**
 * What an unprivileged caller wants to be shown: store paths and nothing else, sorted, each once.
 *
 * @throws StatusError InvalidArgument for anything that is not exactly a store path (of which nothing but its place and length
 *   is repeated), for too many, and for none.
 */
export function parseRequest(texts: readonly string[]): readonly StorePath[] {
  if (texts.length === 0 || texts.length > MAX_PATHS_OF_REQUEST) {
    throw new StatusError(
      'InvalidArgument',
      `store_paths: 1 to ${MAX_PATHS_OF_REQUEST} store paths are expected, not ${texts.length}: invalid argument`,
    );
  }
  const paths = new Set<StorePath>();
  for (const [index, text] of texts.entries()) {
    const path = parseStorePath(text);
    if (path === undefined) {
      throw new StatusError(
        'InvalidArgument',
        `store_paths[${index}]: its ${text.length} characters are not a store path ` +
          '(/nix/store/<32 base-32 characters>-<name>, nothing after it): invalid argument',
      );
    }
    paths.add(path);
  }
  return [...paths].toSorted();
}
