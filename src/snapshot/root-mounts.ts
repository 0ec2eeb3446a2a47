import { dirname } from 'node:path';
import type { SnapshotRecord } from '../metadata/schema.ts';
import type { Mount } from '../view/mount.ts';
import { GID_MAPPING_LABEL, UID_MAPPING_LABEL } from './labels.ts';
import type { ShownChain } from './shown-chain.ts';
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
 * @param shown how the container sees the chain below.
 */
export function rootMount(
  record: Pick<SnapshotRecord, 'id' | 'kind' | 'labels' | 'ownMountPoints'>,
  { lowers, mapped }: Pick<ShownChain, 'lowers' | 'mapped'>,
  layout: Layout,
  features: MountFeatures,
): Mount {
  const mapping = features.remapIds && !mapped ? mappingOptions(record.labels) : [];
  const own = layout.fs(record.id);
  const all = record.kind === 'view' && record.ownMountPoints === true ? [own, ...lowers] : lowers;
  const [first] = all;
  if (first === undefined) return bind(own, [...mapping, record.kind === 'view' ? 'ro' : 'rw', 'rbind']);
  if (record.kind === 'view' && all.length === 1) return bind(first, [...mapping, 'ro', 'rbind']);
  const upper = record.kind === 'view' ? [] : [`workdir=${layout.work(record.id)}`, `upperdir=${own}`];
  return {
    type: 'overlay',
    source: 'overlay',
    target: '',
    options: [...mapping, ...upper, `lowerdir=${all.join(':')}`, ...features.overlayOptions],
  };
}

/** The options of a mount may take one page; this much is left for what is not lower directories. */
const OPTIONS_SPACE = 4096 - 1024;

/**
 * True when lower directories fit into the kernel's mount options, after containerd has made them relative to their common
 * parent (containerd `core/mount/mount_linux.go`, compactLowerdirOption).
 */
export function fitsOnePage(lowers: readonly string[]): boolean {
  const common = commonParent(lowers);
  return lowers.reduce((sum, lower) => sum + lower.length - common.length, 0) <= OPTIONS_SPACE;
}

/** The longest directory above all of the paths, '' for the root directory. */
function commonParent(paths: readonly string[]): string {
  const [first = [], ...others] = paths.map((path) => dirname(path).split('/'));
  const differ = first.findIndex((name, at) => others.some((other) => other[at] !== name));
  return (differ === -1 ? first : first.slice(0, differ)).join('/');
}

function bind(source: string, options: readonly string[]): Mount {
  return { type: 'bind', source, target: '', options };
}

function mappingOptions(labels: ReadonlyMap<string, string>): readonly string[] {
  const uid = labels.get(UID_MAPPING_LABEL);
  const gid = labels.get(GID_MAPPING_LABEL);
  return [...(uid === undefined ? [] : [`uidmap=${uid}`]), ...(gid === undefined ? [] : [`gidmap=${gid}`])];
}
