import type { LayerClosure } from './annotations.ts';
import { isStorePathName, parseStorePath, STORE_DIR, type StorePath } from './store-path.ts';

/**
 * A file with this path in a layer says that the layer is a Nix layer. Its text is the store path of the `closureInfo`
 * output, or nothing: then the mount points below `nix/store` are the closure. With it the layer may also hold real
 * content elsewhere.
 */
export const LAYER_MARKER = 'nix/.nix-snapshotter-layer';

/**
 * The mode of `nix/store` in a layer that holds its store paths. By it such a layer is told from a Nix layer, whose store directory can be
 * written to, when all that it holds is a link or something empty.
 */
export const HELD_STORE_MODE = 0o555;

/** True for a store directory with this mode in a layer that may be a Nix layer. */
export function mayHoldMountPoints(mode: number): boolean {
  return (mode & 0o777) !== HELD_STORE_MODE;
}

/** Something in a layer; `path` is relative to the layer's root. */
export type ListedEntry =
  | { readonly path: string; readonly kind: 'directory' }
  | { readonly path: string; readonly kind: 'file'; readonly empty: boolean; readonly markerText?: string }
  | { readonly path: string; readonly kind: 'symlink'; readonly target: string }
  /** A device (a whiteout among them), a socket, a pipe. */
  | { readonly path: string; readonly kind: 'other' };

const STORE_PREFIX = `${STORE_DIR.slice(1)}/`;

/**
 * Finds the closure of a layer whose annotations the client dropped. A layer is taken for a Nix layer when it carries
 * {@link LAYER_MARKER}, or when it holds nothing but what the Go tool writes (nix-snapshotter v0.4.0
 * `pkg/nix2container/generate.go`, writeNixClosureLayer): directories, empty mount points directly below `nix/store`, and
 * links into the store paths of those.
 *
 * @param entries the marker first, then what is below `nix/store`, then the rest; no more of it is taken than it needs.
 * @returns undefined for every other layer: it is left as it is.
 */
export function recoverClosure(entries: Iterable<ListedEntry>): LayerClosure | undefined {
  const names = new Set<string>();
  let marked = false;
  for (const entry of entries) {
    if (entry.path === LAYER_MARKER && entry.kind === 'file') {
      const closureInfo = parseStorePath((entry.markerText ?? '').trim());
      if (closureInfo !== undefined) return { kind: 'closure-info', path: closureInfo };
      if (!entry.empty) return undefined;
      marked = true;
    } else if (entry.path.startsWith(STORE_PREFIX)) {
      const name = entry.path.slice(STORE_PREFIX.length);
      if (!isMountPoint(entry) || !isStorePathName(name)) return undefined;
      names.add(name);
    } else if (marked) {
      break;
    } else if (!mayStandBeside(entry, names)) {
      return undefined;
    }
  }
  if (names.size === 0) return undefined;
  const paths = [...names].map((name) => `${STORE_DIR}/${name}` as StorePath);
  return { kind: 'paths', paths: paths.toSorted() };
}

function isMountPoint(entry: ListedEntry): boolean {
  return entry.kind === 'directory' || entry.kind === 'symlink' || (entry.kind === 'file' && entry.empty);
}

function mayStandBeside(entry: ListedEntry, names: ReadonlySet<string>): boolean {
  if (entry.kind === 'directory') return true;
  if (entry.kind !== 'symlink' || !entry.target.startsWith(`${STORE_DIR}/`)) return false;
  const [name = ''] = entry.target.slice(STORE_DIR.length + 1).split('/');
  return names.has(name);
}
