import { storePathName } from '../../closure/store-path.ts';
import type { ClosureEntry } from '../view.ts';

/** An entry of a view's metadata directory, to be made directly in its `root/nix/store`. */
export interface MetadataEntry {
  readonly name: string;
  readonly kind: 'directory' | 'file' | 'symlink';
  readonly mode: number;
  /** Seconds since 1970. */
  readonly mtime: number;
  /** Of a file: what stat(2) says in the view; reads go to the store. */
  readonly size: number;
  readonly linkTarget?: string;
  readonly attributes: Readonly<Record<string, string>>;
}

/**
 * The metadata that makes an overlay with the store as its lower directory show a closure: for a directory an empty one
 * that redirects to the store's, for a file a sparse one whose data is the store's, for a link the link itself. A
 * redirect is absolute from the top of the store directory, so nothing below a store path is looked at.
 * Source: kernel `Documentation/filesystems/overlayfs.rst` (redirect_dir, metadata only copy up).
 */
export function planMetadata(entries: readonly ClosureEntry[]): readonly MetadataEntry[] {
  return entries.map(({ path, kind, mode, mtime, size, linkTarget }) => ({
    name: storePathName(path),
    kind,
    mode,
    mtime,
    size: kind === 'file' ? size : 0,
    ...(linkTarget === undefined ? {} : { linkTarget }),
    attributes: attributesOf(kind, storePathName(path)),
  }));
}

function attributesOf(kind: ClosureEntry['kind'], name: string): Readonly<Record<string, string>> {
  if (kind === 'symlink') return {};
  const redirect = { 'trusted.overlay.redirect': `/${name}` };
  return kind === 'directory' ? redirect : { ...redirect, 'trusted.overlay.metacopy': '' };
}
