import type { LayerClosure } from '../closure/annotations.ts';
import { LAYER_MARKER } from '../closure/recover.ts';
import { StatusError } from '../errors.ts';
import { STORE_DIR, type StorePath } from '../closure/store-path.ts';

/** What lies at a path in the store; a link with its target. */
export type StoreEntry =
  | { readonly kind: 'directory' }
  | { readonly kind: 'file' }
  | { readonly kind: 'symlink'; readonly target: string };

/** An entry of the layer; `path` is relative to the container's root, without slashes at the ends. */
export interface LayerEntry {
  readonly path: string;
  readonly entry: StoreEntry;
  /** Of a file; nothing unless told. */
  readonly content?: string;
}

/** One file tree that is shown at the container's root by links. */
export interface RootTree {
  readonly from: StorePath;
  /** Everything below `from`, relative to it. */
  readonly entries: readonly LayerEntry[];
}

const MARKER_SOURCE = 'the marker of Nix layers';

/**
 * The entries of a Nix layer, sorted so that a directory precedes what is in it: for each store path an empty
 * mount point (an empty directory, an empty file, or for a link the link itself), and for each tree its directories
 * with a link to the store in place of each file. Layout: the Go tool's `writeNixClosureLayer`. On top of that the
 * marker by which the closure is found where a client drops annotations.
 *
 * @throws StatusError InvalidArgument naming both sources when two of them claim one path and are not directories.
 */
export function planNixLayer(
  storePaths: ReadonlyMap<StorePath, StoreEntry>,
  trees: readonly RootTree[],
  closure: LayerClosure,
): readonly LayerEntry[] {
  const plan = new Map<string, { entry: StoreEntry; source: string }>();
  const add = (path: string, entry: StoreEntry, source: string): void => {
    const there = plan.get(path);
    if (there === undefined) {
      plan.set(path, { entry, source });
      return;
    }
    if (there.entry.kind === 'directory' && entry.kind === 'directory') return;
    throw new StatusError(
      'InvalidArgument',
      `/${path} in the image is claimed by ${there.source} and by ${source}: leave one of them out of copy-to-root, ` +
        'or join them before (buildEnv)',
    );
  };

  for (const [path, entry] of storePaths) {
    addParents(path.slice(1), path, add);
    add(path.slice(1), entry, path);
  }
  for (const tree of trees) {
    for (const { path, entry } of tree.entries) {
      addParents(path, tree.from, add);
      const shown: StoreEntry =
        entry.kind === 'directory' ? entry : { kind: 'symlink', target: `${tree.from}/${path}` };
      add(path, shown, tree.from);
    }
  }
  add('nix', { kind: 'directory' }, MARKER_SOURCE);
  add(LAYER_MARKER, { kind: 'file' }, MARKER_SOURCE);
  const content = closure.kind === 'closure-info' ? `${closure.path}\n` : '';
  return [...plan]
    .map(([path, { entry }]) => ({ path, entry, ...(path === LAYER_MARKER ? { content } : {}) }))
    .toSorted((a, b) => comparePaths(a.path, b.path));
}

/** Byte order with the slash below every other character. */
function comparePaths(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a.replaceAll('/', '\0')), Buffer.from(b.replaceAll('/', '\0')));
}

function addParents(
  path: string,
  source: string,
  add: (path: string, entry: StoreEntry, source: string) => void,
) {
  for (let slash = path.indexOf('/'); slash >= 0; slash = path.indexOf('/', slash + 1)) {
    add(path.slice(0, slash), { kind: 'directory' }, source);
  }
}

/**
 * Follows a path of the container's root through the layer's own links, as far as the store.
 *
 * @returns the path in the store (`/nix/store/…`), or undefined when the layer does not have it.
 */
export function resolveInLayer(entries: readonly LayerEntry[], path: string): string | undefined {
  const links = new Map(
    entries.flatMap(({ path: at, entry }) => (entry.kind === 'symlink' ? [[at, entry.target] as const] : [])),
  );
  if (path.startsWith(`${STORE_DIR}/`)) return path;
  const parts = path.split('/').filter((part) => part !== '');
  for (let length = 1; length <= parts.length; length++) {
    const target = links.get(parts.slice(0, length).join('/'));
    if (target !== undefined) return [target, ...parts.slice(length)].join('/');
  }
  return undefined;
}
