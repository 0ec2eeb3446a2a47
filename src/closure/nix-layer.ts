import type { LayerClosure } from './annotations.ts';
import { LAYER_MARKER } from './recover.ts';
import { STORE_DIR, type StorePath } from './store-path.ts';

/** What lies at a path in the store; a link with its target. */
export type StoreEntry =
  | { readonly kind: 'directory' }
  | { readonly kind: 'file' }
  | { readonly kind: 'symlink'; readonly target: string };

/** An entry of a layer; `path` is relative to the container's root, without slashes at the ends. */
export interface LayerEntry {
  readonly path: string;
  readonly entry: StoreEntry;
  /** Of a file; nothing unless told. */
  readonly content?: string;
}

const DIRECTORY: StoreEntry = { kind: 'directory' };

/**
 * The entries of a Nix layer, sorted so that a directory precedes what is in it: the marker by which the closure is found
 * where a client drops annotations, and for each store path an empty mount point (an empty directory, an empty file, or
 * for a link the link itself). Layout of these: the Go tool's `writeNixClosureLayer`.
 *
 * Nothing but the closure goes in, so that whoever has the closure can make the same layer again.
 */
export function planNixLayer(
  storePaths: ReadonlyMap<StorePath, StoreEntry>,
  closure: LayerClosure,
): readonly LayerEntry[] {
  const content = closure.kind === 'closure-info' ? `${closure.path}\n` : '';
  const mountPoints = [...storePaths]
    .map(([path, entry]): LayerEntry => ({ path: path.slice(1), entry }))
    .toSorted((a, b) => (a.path < b.path ? -1 : 1));
  return [
    { path: 'nix', entry: DIRECTORY },
    { path: LAYER_MARKER, entry: { kind: 'file' }, content },
    { path: STORE_DIR.slice(1), entry: DIRECTORY },
    ...mountPoints,
  ];
}
