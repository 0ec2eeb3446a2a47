import type { Mount } from './mount.ts';

/**
 * Read-only binds below a root file system, from targets (relative to the root) and sources.
 *
 * The last one has the type `none`, which the kernel ignores for a bind: containerd ≥ 2.3 looks users up in the
 * last mount alone when it knows the mount's type, and in all mounts when it does not
 * (containerd `internal/fsview/mount.go`, FSMounts).
 */
export function readOnlyBinds(
  binds: readonly { readonly target: string; readonly source: string }[],
): readonly Mount[] {
  return binds.map(({ target, source }, index) => ({
    type: index === binds.length - 1 ? 'none' : 'bind',
    source,
    target,
    options: ['rbind', 'ro'],
  }));
}
