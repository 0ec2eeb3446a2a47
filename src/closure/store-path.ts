/** An absolute path directly below the store directory that passed {@link parseStorePath}. */
export type StorePath = string & { readonly __brand: 'StorePath' };

/** Where containers see the store, and what every store path in a label or manifest starts with. */
export const STORE_DIR = '/nix/store';

/**
 * `<32 base-32 characters>-<name>`. The hash alphabet has no e, o, t, u; a name is 1 – 211 characters of
 * `[0-9a-zA-Z+\-._?=]`. Source: Nix manual, "Store Path"; nix `src/libstore/path.cc` (checkName).
 */
const BASE_NAME = /^[0-9abcdfghijklmnpqrsvwxyz]{32}-[0-9a-zA-Z+\-._?=]{1,211}$/;

/** True for the base name of a store path. A name that is `.` or `..`, or starts with `.-` or `..-`, is not legal. */
export function isStorePathName(name: string): boolean {
  if (!BASE_NAME.test(name)) return false;
  const rest = name.slice(33);
  return rest !== '.' && rest !== '..' && !rest.startsWith('.-') && !rest.startsWith('..-');
}

/**
 * Takes untrusted text; returns it as a store path when it is exactly one (no trailing slash, no sub-path,
 * no `..`), else undefined.
 */
export function parseStorePath(text: string): StorePath | undefined {
  const prefix = `${STORE_DIR}/`;
  if (!text.startsWith(prefix) || !isStorePathName(text.slice(prefix.length))) return undefined;
  return text as StorePath;
}

/** The part of a store path after the store directory: `<hash>-<name>`. */
export function storePathName(path: StorePath): string {
  return path.slice(STORE_DIR.length + 1);
}
