import type { StorePath } from '../../../../src/closure/store-path.ts';
import type { ClosureEntry } from '../../../../src/view/view.ts';

/** A store path as it might be on disk. */
export function entry(name: string, attributes: Partial<ClosureEntry> = {}): ClosureEntry {
  const path = `/nix/store/0123456789abcdfghijklmnpqrsvwxyz-${name}` as StorePath;
  return { path, kind: 'directory', inode: 10, born: 1000.5, mode: 0o555, size: 0, mtime: 1, ...attributes };
}
