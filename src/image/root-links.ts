import type { LayerEntry, StoreEntry } from '../closure/nix-layer.ts';
import { STORE_DIR, type StorePath } from '../closure/store-path.ts';
import { StatusError } from '../errors.ts';
import { type Ownership, ownershipIn, type Perm } from './perms.ts';

/** One file tree that is shown at the container's root by links. */
export interface RootTree {
  readonly from: StorePath;
  /** Everything below `from`, relative to it. */
  readonly entries: readonly LayerEntry[];
}

/**
 * An entry of the layer that is shown at the container's root. With an owner it is not the link, but the file or link itself that
 * it leads to.
 */
export interface RootEntry extends LayerEntry {
  readonly ownership?: Ownership;
}

const NIX_LAYER = 'the Nix layer';
const STORE_PREFIX = `${STORE_DIR.slice(1)}/`;

/**
 * The entries of the ordinary layer that shows trees at the container's root, sorted so that a directory precedes what is
 * in it: each tree's directories, with a link to the store in place of each file. Layout: the Go tool's
 * `writeNixClosureLayer`.
 *
 * @param nixLayer what lies below these links.
 * @param perms who owns what; each must be for one of the trees.
 * @returns nothing when the trees are empty.
 * @throws StatusError InvalidArgument naming both sources when two of them, or a tree and the Nix layer, claim one path
 *   and are not directories, or naming the path of a perm that is no tree's. All below the store directory is the Nix layer's.
 */
export function planRootLinks(
  trees: readonly RootTree[],
  nixLayer: readonly LayerEntry[],
  perms: readonly Perm[] = [],
): readonly RootEntry[] {
  for (const { path } of perms) if (!trees.some(({ from }) => from === path)) throw useless(path);
  const below = new Map(nixLayer.map(({ path, entry }) => [path, entry.kind]));
  const plan = new Map<string, { entry: StoreEntry; source: string; ownership?: Ownership }>();
  const add = (path: string, entry: StoreEntry, source: StorePath): void => {
    const there = below.get(path);
    if (path.startsWith(STORE_PREFIX) || (there !== undefined && !bothDirectories(there, entry.kind))) {
      throw conflict(path, NIX_LAYER, source);
    }
    const planned = plan.get(path);
    if (planned !== undefined && !bothDirectories(planned.entry.kind, entry.kind))
      throw conflict(path, planned.source, source);
    const ownership = ownershipIn(perms, source, `${source}/${path}`) ?? planned?.ownership;
    plan.set(path, { entry, source, ...(ownership === undefined ? {} : { ownership }) });
  };
  for (const tree of trees) {
    for (const { path, entry } of tree.entries) {
      for (const parent of parents(path)) add(parent, { kind: 'directory' }, tree.from);
      add(path, entry.kind === 'directory' ? entry : linkInto(tree, path), tree.from);
    }
  }
  return [...plan]
    .map(([path, planned]) => ({ path, planned, key: sortKey(path) }))
    .toSorted((a, b) => Buffer.compare(a.key, b.key))
    .map(({ path, planned: { entry, ownership } }) => ({
      path,
      entry,
      ...(ownership === undefined ? {} : { ownership }),
    }));
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

function useless(path: StorePath): StatusError {
  return new StatusError(
    'InvalidArgument',
    `perms for ${path}: it is not among copy-to-root, and what containers see in the store has the owner and modes of the store: ` +
      'add it to copy-to-root, or leave the perms out',
  );
}
