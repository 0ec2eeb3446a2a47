import type { StorePath } from '../closure/store-path.ts';
import type { Mount } from './mount.ts';

/** Views by mounts below the root mount, one for each store path or one for the whole store. */
export type BoundViewName = 'binds' | 'store';
/** `overlay`: one host mount shows the closure, and is a lower directory of the root mount. */
export type ViewName = 'overlay' | BoundViewName;

/** What a store path is on disk; a symlink store path is shown as the symlink. */
export type PathKind = 'directory' | 'file' | 'symlink';

/** A store path of the closure with its kind; a symlink carries its target. */
export interface ViewEntry {
  readonly path: StorePath;
  readonly kind: PathKind;
  readonly linkTarget?: string;
}

/** A store path as it is on this host: what its metadata in a view must say. */
export interface ClosureEntry extends ViewEntry {
  /** Tells, together with {@link born}, whether it is still the same one. */
  readonly inode: number;
  /** Milliseconds since 1970, where the file system knows. */
  readonly born: number;
  /** Permission bits. */
  readonly mode: number;
  /** Bytes. */
  readonly size: number;
  /** Seconds since 1970. */
  readonly mtime: number;
}

/**
 * How closures become part of a root file system by mounts of their own. The planner is pure: it is given what is on
 * disk and says which mount points a snapshot's own layer must have and which mounts follow its root mount.
 */
export interface BoundView {
  readonly name: BoundViewName;

  /**
   * What must exist below the root file system for {@link mounts} to work.
   *
   * @param entries the union of the closures of a chain, in any order.
   * @param present kinds of what the chain already shows at `nix/store/<name>`, by name.
   * @returns what to make in the snapshot's own `fs`, sorted by path; empty when nothing is missing. Where the
   *   chain shows something of another kind, the right one is returned: made in the upper layer, it hides it.
   */
  mountPoints(entries: readonly ViewEntry[], present: ReadonlyMap<string, PathKind>): readonly MountPoint[];

  /** The mounts to append to the root mount: sorted, each path once. */
  mounts(entries: readonly ViewEntry[], realStoreDir: string): readonly Mount[];
}

/** A thing to create in a snapshot's own `fs`; `path` is relative to it (`nix/store/<name>`). */
export interface MountPoint {
  readonly path: string;
  readonly kind: PathKind;
  readonly linkTarget?: string;
}
