import type { LayerEntry, StoreEntry } from '../closure/nix-layer.ts';
import { STORE_DIR, type StorePath } from '../closure/store-path.ts';
import { StatusError } from '../errors.ts';

/** One file tree that is shown at the container's root by links. */
export interface RootTree {
  readonly from: StorePath;
  /** Everything below `from`, relative to it. */
  readonly entries: readonly LayerEntry[];
}

const NIX_LAYER = 'the Nix layer';
const STORE_PREFIX = `${STORE_DIR.slice(1)}/`;

/**
 * The entries of the ordinary layer that shows trees at the container's root, sorted so that a directory precedes what is
 * in it: each tree's directories, with a link to the store in place of each file. Layout: the Go tool's
 * `writeNixClosureLayer`.
 *
 * @param nixLayer what lies below these links.
 * @returns nothing when the trees are empty.
 * @throws StatusError InvalidArgument naming both sources when two of them, or a tree and the Nix layer, claim one path
 *   and are not directories. All below the store directory is the Nix layer's.
 */
export function planRootLinks(
  trees: readonly RootTree[],
  nixLayer: readonly LayerEntry[],
): readonly LayerEntry[] {
  const below = new Map(nixLayer.map(({ path, entry }) => [path, entry.kind]));
  const plan = new Map<string, { entry: StoreEntry; source: string }>();
  const add = (path: string, entry: StoreEntry, source: string): void => {
    const there = below.get(path);
    if (path.startsWith(STORE_PREFIX) || (there !== undefined && !bothDirectories(there, entry.kind))) {
      throw conflict(path, NIX_LAYER, source);
    }
    const planned = plan.get(path);
    if (planned === undefined) plan.set(path, { entry, source });
    else if (!bothDirectories(planned.entry.kind, entry.kind)) throw conflict(path, planned.source, source);
  };
  for (const tree of trees) {
    for (const { path, entry } of tree.entries) {
      for (const parent of parents(path)) add(parent, { kind: 'directory' }, tree.from);
      add(path, entry.kind === 'directory' ? entry : linkInto(tree, path), tree.from);
    }
  }
  return [...plan]
    .map(([path, { entry }]) => ({ path, entry, key: sortKey(path) }))
    .toSorted((a, b) => Buffer.compare(a.key, b.key))
    .map(({ path, entry }) => ({ path, entry }));
}

/**
 * Follows a path of the container's root through the links, as far as the store.
 *
 * @returns the path in the store (`/nix/store/…`), or undefined when the links do not lead there.
 */
export function resolveRootLink(links: readonly LayerEntry[], path: string): string | undefined {
  if (path.startsWith(`${STORE_DIR}/`)) return path;
  const targets = new Map(
    links.flatMap(({ path: at, entry }) => (entry.kind === 'symlink' ? [[at, entry.target] as const] : [])),
  );
  const parts = path.split('/').filter((part) => part !== '');
  for (let length = 1; length <= parts.length; length++) {
    const target = targets.get(parts.slice(0, length).join('/'));
    if (target !== undefined) return [target, ...parts.slice(length)].join('/');
  }
  return undefined;
}

function bothDirectories(a: StoreEntry['kind'], b: StoreEntry['kind']): boolean {
  return a === 'directory' && b === 'directory';
}

function linkInto(tree: RootTree, path: string): StoreEntry {
  return { kind: 'symlink', target: `${tree.from}/${path}` };
}

function* parents(path: string): Generator<string, void> {
  for (let slash = path.indexOf('/'); slash >= 0; slash = path.indexOf('/', slash + 1)) {
    yield path.slice(0, slash);
  }
}

/** Byte order with the slash below every other character. */
function sortKey(path: string): Buffer {
  return Buffer.from(path.replaceAll('/', '\0'));
}

function conflict(path: string, first: string, second: string): StatusError {
  return new StatusError(
    'InvalidArgument',
    `/${path} in the image is claimed by ${first} and by ${second}: leave one of them out of copy-to-root, ` +
      'or join them before (buildEnv)',
  );
}
