import { join } from 'node:path';
import { storePathName } from '../closure/store-path.ts';
import { readOnlyBinds } from './store-bind.ts';
import type { BoundView, MountPoint, ViewEntry } from './view.ts';

/** Where store paths appear, relative to the root of a container. */
export const STORE_TARGET = 'nix/store';

/** One read-only bind for every store path of the closure: works everywhere, and shows nothing else of the store. */
export const bindsView: BoundView = {
  name: 'binds',

  mountPoints(entries, present) {
    return sorted(entries)
      .filter((entry) => present.get(storePathName(entry.path)) !== entry.kind)
      .map(mountPointOf);
  },

  mounts(entries, realStoreDir) {
    // A symlink is its own mount point: a bind would follow it, on the host.
    const bound = sorted(entries).filter(({ kind }) => kind !== 'symlink');
    return readOnlyBinds(
      bound.map(({ path }) => ({ target: targetOf(path), source: join(realStoreDir, storePathName(path)) })),
    );
  },
};

function mountPointOf({ path, kind, linkTarget }: ViewEntry): MountPoint {
  return { path: targetOf(path), kind, ...(linkTarget === undefined ? {} : { linkTarget }) };
}

function targetOf(path: ViewEntry['path']): string {
  return `${STORE_TARGET}/${storePathName(path)}`;
}

/** By path, each once. Sorted by code unit, so that the order is the same on every machine. */
function sorted(entries: readonly ViewEntry[]): readonly ViewEntry[] {
  const byPath = new Map(entries.map((entry) => [entry.path, entry]));
  return [...byPath.values()].toSorted((one, other) => (one.path < other.path ? -1 : 1));
}
