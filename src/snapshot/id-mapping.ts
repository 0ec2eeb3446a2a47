import { StatusError } from '../errors.ts';
import type { IdMapping } from '../host/mount.ts';
import { GID_MAPPING_LABEL, UID_MAPPING_LABEL } from './labels.ts';

/** Numeric owner of a snapshot's root directory on the host. */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** 2^32 - 1: the kernel's "no such id". */
const INVALID_ID = 0xffffffff;
/** Every id stands for itself. */
const TO_THEMSELVES = `0:0:${INVALID_ID}`;

/**
 * The host ids of the container's root, from the mapping labels (`container:host:size[,…]`); undefined without labels.
 * A missing label of the two maps ids to themselves. Source: containerd `internal/userns/idmap.go`.
 *
 * @throws StatusError InvalidArgument naming the label, when it does not parse or does not map id 0.
 */
export function mappedRoot(labels: ReadonlyMap<string, string>): Owner | undefined {
  const uid = labels.get(UID_MAPPING_LABEL);
  const gid = labels.get(GID_MAPPING_LABEL);
  if (uid === undefined && gid === undefined) return undefined;
  return { uid: hostRoot(UID_MAPPING_LABEL, uid), gid: hostRoot(GID_MAPPING_LABEL, gid) };
}

/**
 * The mapping of a user-namespaced container, from labels that {@link mappedRoot} accepts; undefined without labels.
 */
export function idMapping(labels: ReadonlyMap<string, string>): IdMapping | undefined {
  const users = labels.get(UID_MAPPING_LABEL);
  const groups = labels.get(GID_MAPPING_LABEL);
  if (users === undefined && groups === undefined) return undefined;
  return { users: (users ?? TO_THEMSELVES).split(','), groups: (groups ?? TO_THEMSELVES).split(',') };
}

function hostRoot(label: string, mappings: string | undefined): number {
  if (mappings === undefined) return 0;
  let root: number | undefined;
  for (const mapping of mappings.split(',')) {
    const match = /^(\d{1,10}):(\d{1,10}):(\d{1,10})$/.exec(mapping);
    const [container = NaN, host = NaN, size = NaN] = match?.slice(1).map(Number) ?? [];
    if (!(container < INVALID_ID && host < INVALID_ID && size < INVALID_ID)) {
      throw new StatusError(
        'InvalidArgument',
        `label ${label}: ${JSON.stringify(mapping)} is not <container id>:<host id>:<size>: invalid argument`,
      );
    }
    if (container === 0 && size > 0) root ??= host;
  }
  if (root !== undefined) return root;
  throw new StatusError(
    'InvalidArgument',
    `label ${label}: ${JSON.stringify(mappings)} does not map container id 0 to a host id: invalid argument`,
  );
}
