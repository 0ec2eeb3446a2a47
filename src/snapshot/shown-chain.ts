import type { Mount } from '../view/mount.ts';
import type { MountPoint, ViewName } from '../view/view.ts';

/** How a container sees a chain. */
export interface ShownChain {
  /** How the closures of its Nix layers are shown; undefined when there are none. */
  readonly view: ViewName | undefined;
  /** The chain's directories, the upmost first. */
  readonly lowers: readonly string[];
  /** The lower directories have the container's ids, so nobody has to map them. */
  readonly mapped: boolean;
  /** To make in the snapshot's own layer, before its first mount. */
  readonly mountPoints: readonly MountPoint[];
  /** To append to the root mount. */
  readonly mounts: readonly Mount[];
}
