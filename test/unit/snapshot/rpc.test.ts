import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { SnapshotsListSnapshotsResponseInput } from '../../../proto/gen/messages.ts';
import type { StreamHandler } from '../../../src/rpc/handler.ts';
import { snapshots } from '../../../src/rpc/proto.ts';
import type { SnapshotRecord } from '../../../src/metadata/schema.ts';
import type { Cleanup } from '../../../src/snapshot/cleanup.ts';
import { snapshotsService } from '../../../src/snapshot/rpc.ts';
import type { SnapshotService } from '../../../src/snapshot/service.ts';
import { recordOf } from '../metadata/store-suite.ts';

async function messagesOf(records: readonly SnapshotRecord[]) {
  const service = { list: () => Promise.resolve(records) } as unknown as SnapshotService;
  const { handlers } = snapshotsService(service, {} as Cleanup);
  const list = handlers['List'] as StreamHandler;
  const messages = await Array.fromAsync(list({ filters: [] }, {} as never));
  return messages as SnapshotsListSnapshotsResponseInput[];
}

const many = (count: number, labels: ReadonlyMap<string, string> = new Map()) =>
  Array.from({ length: count }, (_, index) => ({ ...recordOf(`k${index}`, index + 1), labels }));

describe('List', () => {
  it('gives a hundred snapshots a message, and no message for none', async () => {
    assert.deepEqual(await messagesOf([]), []);
    const messages = await messagesOf(many(250));
    assert.deepEqual(
      messages.map(({ info }) => info?.length),
      [100, 100, 50],
    );
  });

  it('keeps messages of snapshots with many labels far below what one may have', async () => {
    const path = `/nix/store/${'0'.repeat(32)}-${'x'.repeat(80)}`;
    const label = (index: number) => [`containerd.io/snapshot/nix-store-path.${index}`, path] as const;
    const records = many(100, new Map(Array.from({ length: 2000 }, (_, index) => label(index))));
    const messages = await messagesOf(records);
    const codec = snapshots.methods.get('List')?.response;
    for (const message of messages) assert.ok((codec?.encode(message).length ?? Infinity) < 2 * 1024 * 1024);
    assert.deepEqual(
      messages.flatMap(({ info }) => info?.map(({ name }) => name)),
      records.map(({ key }) => key),
    );
  });

  it('gives a snapshot with more labels than that a message of its own', async () => {
    const [first, second, third] = many(3);
    assert.ok(first && second && third);
    const large = { ...second, labels: new Map([['l', 'x'.repeat(3_000_000)]]) };
    const messages = await messagesOf([first, large, third]);
    assert.deepEqual(
      messages.map(({ info }) => info?.map(({ name }) => name)),
      [['k0'], ['k1'], ['k2']],
    );
  });
});
