import type { LayerClosure } from '../../closure/annotations.ts';
import type { StorePath } from '../../closure/store-path.ts';

/** A mounted view. */
export interface ShownView {
  /** To be used as a lower directory. */
  readonly root: string;
  /** The metadata that it was made from: the same path shows the same paths. */
  readonly metadata: string;
  /** To be laid above the upmost view of a container: gives `nix` and `nix/store` an owner that the container has. */
  readonly cover?: string;
}

/** Why there is no view. */
export interface RefusedView {
  readonly refused: string;
  /** True when others may be had nevertheless. */
  readonly onlyThis?: boolean;
}

/**
 * Where a closure is shown; or what of it is not on this host (nothing when not even its list is); or why it cannot be shown
 * so here.
 */
export type Shown = ShownView | { readonly missing: readonly StorePath[] } | RefusedView;

/** Views of closures, each one overlay mount on this host: made by this process, or by the view helper. */
export interface ClosureViews {
  /**
   * Sees to it that the closure's view is mounted and shows the paths as they are now.
   *
   * @param pathsOf the closure's store paths; undefined when their list is not there.
   * @throws what `pathsOf` raises; StatusError for a path that cannot be looked up.
   */
  show(closure: LayerClosure, pathsOf: () => Promise<readonly StorePath[] | undefined>): Promise<Shown>;

  /** True for a closure whose view was made here and is not mounted any more: the host was started anew. */
  isLost(closure: LayerClosure): boolean;

  /**
   * Gives up every view that is not in use.
   *
   * @param inUse the keys ({@link viewKey} of fingerprint.ts) of closures that have users.
   * @returns what could not be removed, one sentence each.
   */
  collect(inUse: () => ReadonlySet<string>): Promise<readonly string[]>;
}
