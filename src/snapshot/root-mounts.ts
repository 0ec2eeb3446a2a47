import type { SnapshotRecord } from '../metadata/schema.ts';
import type { Mount } from '../view/mount.ts';
import { GID_MAPPING_LABEL, UID_MAPPING_LABEL } from './labels.ts';
import type { Layout } from './layout.ts';

/** What this kernel and configuration add to mounts. */
export interface MountFeatures {
  /** Options at the end of every overlay mount, such as `index=off` and `userxattr`. */
  readonly overlayOptions: readonly string[];
  /** Answer mapping labels with `uidmap=` and `gidmap=` options. */
  readonly remapIds: boolean;
}

/**
 * The mount of a snapshot's root, the same for Prepare, View and Mounts. Order of options and the choice between
 * bind and overlay are containerd's (`plugins/snapshots/overlay/overlay.go`, mounts).
 *
 * @param parents ids of the chain, the immediate parent first.
 */
export function rootMount(
  record: Pick<SnapshotRecord, 'id' | 'kind' | 'labels' | 'ownMountPoints'>,
  parents: readonly number[],
  layout: Layout,
  features: MountFeatures,
): Mount {
  const mapping = features.remapIds ? mappingOptions(record.labels) : [];
  const own = layout.fs(record.id);
  const lowers = parents.map((id) => layout.fs(id));
  if (record.kind === 'view' && record.ownMountPoints === true) lowers.unshift(own);
  const [first] = lowers;
  if (first === undefined) return bind(own, [...mapping, record.kind === 'view' ? 'ro' : 'rw', 'rbind']);
  if (record.kind === 'view' && lowers.length === 1) return bind(first, [...mapping, 'ro', 'rbind']);
  const upper = record.kind === 'view' ? [] : [`workdir=${layout.work(record.id)}`, `upperdir=${own}`];
  return {
    type: 'overlay',
    source: 'overlay',
    target: '',
    options: [...mapping, ...upper, `lowerdir=${lowers.join(':')}`, ...features.overlayOptions],
  };
}

function bind(source: string, options: readonly string[]): Mount {
  return { type: 'bind', source, target: '', options };
}

function mappingOptions(labels: ReadonlyMap<string, string>): readonly string[] {
  const uid = labels.get(UID_MAPPING_LABEL);
  const gid = labels.get(GID_MAPPING_LABEL);
  return [...(uid === undefined ? [] : [`uidmap=${uid}`]), ...(gid === undefined ? [] : [`gidmap=${gid}`])];
}
