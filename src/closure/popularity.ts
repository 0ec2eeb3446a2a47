import { setImmediate } from 'node:timers/promises';
import type { StorePath } from './store-path.ts';

/** So many paths are followed at a time, each by a bit of a number. */
const BITS = 32;

/**
 * Orders store paths by popularity: how many of them reach a path by references, itself included. What much depends on comes
 * first (a C library, say), so that images of different packages begin alike. Idea: Graham Christensen, "Optimising Docker Layers
 * for Better Caching with Nix" (2018).
 *
 * @param references of each path; those to paths that are no key do not count.
 * @returns all keys; those that are equally popular by name. Other work gets its turn in between.
 */
export async function byPopularity(
  references: ReadonlyMap<StorePath, Iterable<StorePath>>,
): Promise<readonly StorePath[]> {
  const order = referrersFirst(references);
  const at = new Map(order.map((path, index) => [path, index]));
  const edges = order.map((path) =>
    [...(references.get(path) ?? [])].flatMap((to) => (to === path ? [] : (at.get(to) ?? []))),
  );
  const popularity = new Uint32Array(order.length);
  const reachedBy = new Uint32Array(order.length);
  for (let from = 0; from < order.length; from += BITS) {
    reachedBy.fill(0);
    for (let bit = 0; bit < BITS && from + bit < order.length; bit++) reachedBy[from + bit] = 1 << bit;
    for (let path = from; path < order.length; path++) {
      const mask = reachedBy[path] ?? 0;
      if (mask === 0) continue;
      popularity[path] = (popularity[path] ?? 0) + countBits(mask);
      for (const to of edges[path] ?? []) reachedBy[to] = (reachedBy[to] ?? 0) | mask;
    }
    await setImmediate();
  }
  return order.toSorted((a, b) => {
    const difference = (popularity[at.get(b) ?? 0] ?? 0) - (popularity[at.get(a) ?? 0] ?? 0);
    return difference !== 0 ? difference : a < b ? -1 : 1;
  });
}

/** Every path before those that it refers to. References of store paths have no cycles, but for those to themselves. */
function referrersFirst(references: ReadonlyMap<StorePath, Iterable<StorePath>>): readonly StorePath[] {
  const seen = new Set<StorePath>();
  const finished: StorePath[] = [];
  for (const start of [...references.keys()].toSorted()) {
    const open: { path: StorePath; left: StorePath[] }[] = [];
    const enter = (path: StorePath): void => {
      if (seen.has(path) || !references.has(path)) return;
      seen.add(path);
      open.push({ path, left: [...(references.get(path) ?? [])].toSorted() });
    };
    enter(start);
    for (let top = open.at(-1); top !== undefined; top = open.at(-1)) {
      const next = top.left.pop();
      if (next !== undefined) enter(next);
      else {
        finished.push(top.path);
        open.pop();
      }
    }
  }
  return finished.toReversed();
}

function countBits(mask: number): number {
  let count = 0;
  for (let left = mask; left !== 0; left &= left - 1) count += 1;
  return count;
}
