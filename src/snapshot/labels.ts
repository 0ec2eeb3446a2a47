import { StatusError } from '../errors.ts';

/** Present on the Prepare by which a client unpacks a layer; its value is the layer's chain ID. */
export const SNAPSHOT_REF_LABEL = 'containerd.io/snapshot.ref';
/** The image that a layer is unpacked for, as its client calls it (containerd `pkg/snapshotters/annotations.go`). */
export const IMAGE_LABEL = 'containerd.io/snapshot/cri.image-ref';
export const UID_MAPPING_LABEL = 'containerd.io/snapshot/uidmapping';
export const GID_MAPPING_LABEL = 'containerd.io/snapshot/gidmapping';

/**
 * True when the snapshot is made to unpack a layer into it, not to run a container.
 * containerd's key is `[<namespace>/<seq>/]extract-<nanos>-<random> <chain ID>`
 * (`core/snapshots` UnpackKeyFormat); some clients send no `snapshot.ref` label with it. The name of a container has no
 * space, so that one called `extract-…` is none.
 */
export function isExtraction(key: string, labels: ReadonlyMap<string, string>): boolean {
  return labels.has(SNAPSHOT_REF_LABEL) || /(^|\/)extract-\d+-[^/ ]+ [^/ ]+$/.test(key);
}

/**
 * True for the snapshot that a client makes to change the owner of every file of a chain, because the snapshotter does not
 * declare `remap-ids`. Source: containerd `client/snapshotter_opts_unix.go` (2.x) and `snapshotter_unix.go` (1.7).
 */
export function isRemapCopy(key: string): boolean {
  return /(^|\/)sha256:[0-9a-f]{64}(-\d+-\d+)?-remap$/.test(key);
}

/** Labels as stored: a label without a value is no label (containerd `boltutil.WriteLabels`). */
export function storedLabels(labels: Iterable<readonly [string, string]>): ReadonlyMap<string, string> {
  const result = new Map<string, string>();
  for (const [label, value] of labels) if (value !== '') result.set(label, value);
  return result;
}

/**
 * The labels after an Update. Without a mask all are replaced; `labels` replaces all; `labels.<label>` (everything
 * after the first dot) sets one, or removes it when the request has no value for it.
 * Source: containerd `core/snapshots/storage/bolt.go` (UpdateInfo).
 *
 * @throws StatusError InvalidArgument for any other path.
 */
export function updatedLabels(
  key: string,
  current: ReadonlyMap<string, string>,
  requested: ReadonlyMap<string, string>,
  mask: readonly string[],
): ReadonlyMap<string, string> {
  if (mask.length === 0) return storedLabels(requested);
  let result = new Map(current);
  for (const path of mask) {
    if (path === 'labels') {
      result = new Map(requested);
    } else if (path.startsWith('labels.')) {
      const label = path.slice('labels.'.length);
      result.set(label, requested.get(label) ?? '');
    } else {
      throw new StatusError(
        'InvalidArgument',
        `cannot update ${JSON.stringify(path)} field on snapshot ${JSON.stringify(key)}: invalid argument`,
      );
    }
  }
  return storedLabels(result);
}
