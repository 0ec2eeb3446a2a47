import type { SnapshotsInfoInput, SnapshotsKind, TimestampInput } from '../../proto/gen/messages.ts';
import { StatusError } from '../errors.ts';
import type { SnapshotKind, SnapshotRecord, Timestamp } from '../metadata/schema.ts';
import { implement, type Implementation } from '../rpc/implementation.ts';
import { snapshots } from '../rpc/proto.ts';
import type { Cleanup } from './cleanup.ts';
import type { SnapshotService } from './service.ts';

/** How many infos one message of List carries, as containerd's own service does. */
const LIST_BATCH = 100;
/** Labels of more bytes than this end a message too: a layer may have megabytes of them, a message at most 16 MiB. */
const LIST_BATCH_BYTES = 1024 * 1024;

const KINDS: Readonly<Record<SnapshotKind, SnapshotsKind>> = {
  active: 'ACTIVE',
  view: 'VIEW',
  committed: 'COMMITTED',
};

/**
 * `containerd.services.snapshots.v1.Snapshots` on a {@link SnapshotService}. The `snapshotter` of requests is ignored,
 * as containerd's `contrib/snapshotservice` does; no namespace is needed.
 */
export function snapshotsService(service: SnapshotService, cleanup: Cleanup): Implementation {
  return implement(snapshots, {
    async Prepare({ key, parent, labels }, { signal }) {
      const mounts = await service.create({ key, parent, labels: labelMap(labels), kind: 'active' }, signal);
      return { mounts };
    },
    async View({ key, parent, labels }, { signal }) {
      const mounts = await service.create({ key, parent, labels: labelMap(labels), kind: 'view' }, signal);
      return { mounts };
    },
    async Mounts({ key }, { signal }) {
      return { mounts: await service.mounts(key, signal) };
    },
    async Commit({ name, key, parent, labels }) {
      await service.commit({ name, key, parent, labels: labelMap(labels) });
      return {};
    },
    async Remove({ key }) {
      await service.remove(key);
      return {};
    },
    async Stat({ key }) {
      return { info: infoOf(service.stat(key)) };
    },
    async Update({ info, update_mask: mask }) {
      if (info === null) throw new StatusError('InvalidArgument', 'Update without info: invalid argument');
      const record = await service.update(info.name, labelMap(info.labels), mask?.paths ?? []);
      return { info: infoOf(record) };
    },
    async *List({ filters }) {
      for (const records of batchesOf(await service.list(filters))) yield { info: records.map(infoOf) };
    },
    async Usage({ key }) {
      const { size, inodes } = await service.usage(key);
      return { size: BigInt(size), inodes: BigInt(inodes) };
    },
    async Cleanup() {
      await cleanup.run();
      return {};
    },
  });
}

function labelMap(labels: Readonly<Record<string, string>>): ReadonlyMap<string, string> {
  return new Map(Object.entries(labels));
}

/** Cuts a list into messages; none is empty. */
function* batchesOf(records: readonly SnapshotRecord[]): Generator<readonly SnapshotRecord[]> {
  let batch: SnapshotRecord[] = [];
  let bytes = 0;
  for (const record of records) {
    const more = bytesOf(record);
    if (batch.length === LIST_BATCH || (batch.length > 0 && bytes + more > LIST_BATCH_BYTES)) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(record);
    bytes += more;
  }
  if (batch.length > 0) yield batch;
}

/** What a record's text takes in a message, without the few bytes around each label. */
function bytesOf({ key, parent, labels }: SnapshotRecord): number {
  let bytes = Buffer.byteLength(key) + Buffer.byteLength(parent);
  for (const [label, value] of labels) bytes += Buffer.byteLength(label) + Buffer.byteLength(value);
  return bytes;
}

function infoOf(record: SnapshotRecord): SnapshotsInfoInput {
  return {
    name: record.key,
    parent: record.parent,
    kind: KINDS[record.kind],
    created_at: timestampOf(record.created),
    updated_at: timestampOf(record.updated),
    labels: Object.fromEntries(record.labels),
  };
}

function timestampOf({ seconds, nanos }: Timestamp): TimestampInput {
  return { seconds: BigInt(seconds), nanos };
}
