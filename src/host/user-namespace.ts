import { readFileSync } from 'node:fs';

/** How many ids there are: what the initial user namespace maps. */
const ALL_IDS = 4294967295;

/** True unless the process has the initial user namespace's full id range. Source: moby/sys/userns. */
export function inUserNamespace(): boolean {
  const { first, outside, count } = userMap();
  return !(first === 0 && outside === 0 && count === ALL_IDS);
}

/** The user outside of this user namespace who is root in it: who made it, where it was made as RootlessKit does. */
export function userOutside(): number {
  return userMap().outside;
}

/** The first range of user_namespaces(7)'s `uid_map`. */
function userMap(): { readonly first: number; readonly outside: number; readonly count: number } {
  const [first = 0, outside = 0, count = 0] = readFileSync('/proc/self/uid_map', 'utf8')
    .trim()
    .split(/\s+/)
    .map(Number);
  return { first, outside, count };
}
