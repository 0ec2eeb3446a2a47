/** Neighbouring user ids of this host that a user namespace has. */
interface IdRange {
  readonly first: number;
  readonly count: number;
}

/** The host's ids in `/proc/<pid>/uid_map`. Source: user_namespaces(7). */
export function parseIdMap(text: string): readonly IdRange[] {
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const [, first, count] = line.trim().split(/\s+/);
      return { first: Number(first), count: Number(count) };
    });
}

/**
 * Tells a user's ids by the user namespaces there are: one that maps the user alone (`0 1000 1`, as RootlessKit does) was made by
 * the user, and whatever else it maps was granted to the user, or newuidmap(1) had refused it.
 *
 * @returns whether ids are the user's, all of them. Those of the host's own namespace, which has everybody's, are not.
 */
export function idsOf(user: number, maps: Iterable<readonly IdRange[]>): (ids: IdRange) => boolean {
  const granted: IdRange[] = [{ first: user, count: 1 }];
  const isOwn = ({ first, count }: IdRange) =>
    granted.some((range) => range.first <= first && first + count <= range.first + range.count);
  for (const map of maps) {
    if (!map.some(({ first, count }) => first === user && count === 1)) continue;
    granted.push(...map.filter((range) => !isOwn(range)));
  }
  return isOwn;
}
