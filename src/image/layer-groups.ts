import { byPopularity } from '../closure/popularity.ts';
import { type StorePath, storePathName } from '../closure/store-path.ts';

/** dockerd's overlay2 takes 128 layers; what a user builds on the image needs some of them. */
export const MAX_LAYERS = 100;

/**
 * Divides store paths among ordinary layers: one layer for each path, the most popular first (see {@link byPopularity}), and one
 * for all that are left when there would be more than `most`. The same paths give the same layers.
 *
 * @param references of each path.
 * @param most at least 1.
 */
export async function layerGroups(
  references: ReadonlyMap<StorePath, Iterable<StorePath>>,
  most: number,
): Promise<readonly (readonly StorePath[])[]> {
  const ordered = await byPopularity(references);
  const alone = ordered.length <= most ? ordered.length : most - 1;
  const rest = ordered.slice(alone).toSorted();
  return [...ordered.slice(0, alone).map((path) => [path]), ...(rest.length === 0 ? [] : [rest])];
}

/** What such a layer holds, in a few words. */
export function contentOf(paths: readonly StorePath[]): string {
  const [only] = paths;
  return only !== undefined && paths.length === 1 ? storePathName(only) : `${paths.length} Nix store paths`;
}
