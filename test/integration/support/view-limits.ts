import { it } from 'node:test';
import type { ViewName } from '../../../src/view/view.ts';
import type { ViewRow } from './matrix.ts';

/**
 * What a view cannot give, and why. Every property that is not here holds under all views.
 * docs/views.md shows this table.
 */
export const VIEW_LIMITS = {
  'a container sees the store paths of its image only': {
    store: 'the whole store is bound: every container sees every path of the node',
  },
  'a store path that is a link has the modification time of the store': {
    binds: 'a link cannot be bound: it is made in the layer',
  },
  'a container has one mount at its root and none at its store': {
    binds: 'each store path is a mount of its own',
    store: 'the store is a second mount',
  },
  'a container adds fewer than five lines to the mount table of the node': {
    binds: 'each store path is a mount of its own',
  },
  'a container may create files beside the store paths': {
    store: 'the store is read-only',
  },
  'a container may change store paths: what it sees changes, the store and other containers do not': {
    binds: 'store paths are read-only',
    store: 'the store is read-only',
  },
  'renaming a directory of the store is answered as by any overlay: EXDEV': {
    binds: 'a store path is a mount point: EBUSY',
    store: 'the store is read-only: EROFS',
  },
  'a later layer may delete a store path': {
    binds: 'store paths are mounted over all layers',
    store: 'the store is mounted over all layers',
  },
  'a later layer may replace a store path by something else': {
    binds: 'store paths are mounted over all layers',
    store: 'the store is mounted over all layers',
  },
  'a later layer may add files to a store path and delete files of it': {
    binds: 'store paths are mounted over all layers',
    store: 'the store is mounted over all layers',
  },
  'a later layer may hide all store paths by an opaque /nix/store': {
    binds: 'store paths are mounted over all layers',
    store: 'the store is mounted over all layers',
  },
  'files that an earlier layer has in a store path are hidden': {
    overlay: 'directories of layers are merged, as in any image',
  },
  'nerdctl: cp with a stopped container': {
    binds: 'nerdctl unmounts the root file system alone: EBUSY, and its mounts stay',
    store: 'nerdctl unmounts the root file system alone: EBUSY, and its mounts stay',
  },
  'nerdctl: export of a container, which is as it was afterwards': {
    binds: 'nerdctl unmounts the root file system alone, fails, and removes the files of the container',
    store: 'nerdctl unmounts the root file system alone, fails, and removes the files of the container',
  },
  'nerdctl: diff names what a container changed below /nix/store': {
    binds: 'store paths are read-only',
    store: 'the store is read-only',
  },
  'CRI: a volume of the image starts with the files that the image has there': {
    binds: 'containerd unmounts the root file system alone: EBUSY, the container is not created',
    store: 'containerd unmounts the root file system alone: EBUSY, the container is not created',
  },
  'CRI: an image as a volume': {
    binds: 'containerd unmounts the root file system alone: EBUSY, the pod cannot be stopped',
    store: 'containerd unmounts the root file system alone: EBUSY, the pod cannot be stopped',
  },
  'store paths belong to the root of a user-namespaced container': {
    binds: 'containerd does not map the ids of binds: they belong to 65534, and can be read',
    store: 'containerd does not map the ids of binds: they belong to 65534, and can be read',
  },
  'a volume that the image has files in belongs to the root of a user-namespaced container': {
    overlay: 'containerd copies the files as the node sees them, and maps their ids once more: 65534',
    binds: 'containerd cannot seed volumes from more than one mount: EBUSY',
    store: 'containerd cannot seed volumes from more than one mount: EBUSY',
  },
} as const satisfies Record<string, Partial<Record<ViewName, string>>>;

type Limits = typeof VIEW_LIMITS;

/** A property that some view cannot give. */
export type LimitedProperty = keyof Limits;

type Check = () => Promise<void>;

/** What is tested of a property: that it holds, and for each view that cannot give it, what happens instead. */
export type PropertyChecks<P extends LimitedProperty> = { readonly holds: Check } & {
  readonly [View in keyof Limits[P]]: Check;
};

/** Declares the test of a property that some view cannot give. */
export function limited<P extends LimitedProperty>(
  row: ViewRow,
  property: P,
  checks: PropertyChecks<P>,
): void {
  const limits: Partial<Record<ViewName, string>> = VIEW_LIMITS[property];
  const reason = limits[row.view];
  if (reason === undefined) return void it(property, checks.holds);
  const instead = (checks as Partial<Record<ViewName, Check>>)[row.view];
  if (instead === undefined) throw new Error(`nothing is tested of "${property}" with view ${row.view}`);
  it(`not with this view: ${property} (${reason})`, instead);
}

/** {@link VIEW_LIMITS} as a Markdown table; views with the same reason share a line. */
export function limitsTable(): string {
  const lines = Object.entries<Partial<Record<ViewName, string>>>(VIEW_LIMITS).flatMap(([property, limits]) =>
    [...Map.groupBy(Object.entries(limits), ([, reason]) => reason)].map(
      ([reason, views]) => `| ${property} | ${views.map(([view]) => `\`${view}\``).join(', ')} | ${reason} |`,
    ),
  );
  return ['| property | not with | because |', '|---|---|---|', ...lines].join('\n');
}
