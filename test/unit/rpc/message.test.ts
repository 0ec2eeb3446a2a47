import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import { createRpcClient } from '../../../src/rpc/client.ts';
import { implement } from '../../../src/rpc/implementation.ts';
import { snapshots } from '../../../src/rpc/proto.ts';
import { startRig } from './rig.ts';

const MIB = 1024 * 1024;

test('64-bit integers cross the wire exactly', async () => {
  const values = [0n, 1n, -1n, 2n ** 53n + 1n, 2n ** 63n - 1n, -(2n ** 63n)];
  await using rig = await startRig(
    implement(snapshots, {
      Usage: async ({ key }) => ({ size: values[Number(key)] ?? 0n, inodes: 2n ** 53n + 3n }),
      Update: async ({ info }) => ({ info }),
    }),
  );
  const client = rig.client.service(snapshots);
  for (const [index, size] of values.entries()) {
    assert.deepEqual(await client.Usage({ key: String(index) }), { size, inodes: 2n ** 53n + 3n });
  }
  const { info } = await client.Update({ info: { created_at: { seconds: -5n, nanos: 999_999_999 } } });
  assert.deepEqual(info?.created_at, { seconds: -5n, nanos: 999_999_999 });
});

test('label keys with a meaning in JavaScript are ordinary keys', async () => {
  const labels = JSON.parse('{"__proto__":"a","constructor":"b","toString":"c","":"d"}') as Record<
    string,
    string
  >;
  await using rig = await startRig(
    implement(snapshots, { Update: async ({ info }) => ({ info: { labels: info?.labels ?? {} } }) }),
  );
  const { info } = await rig.client.service(snapshots).Update({ info: { labels } });
  assert.deepEqual(new Map(Object.entries(info?.labels ?? {})), new Map(Object.entries(labels)));
  assert.equal(Object.getPrototypeOf({}), Object.prototype);
});

test('an unknown enum value comes out as its number, an absent message as null', async () => {
  await using rig = await startRig(
    implement(snapshots, { Stat: async ({ key }) => (key === '' ? {} : { info: { kind: 77 } }) }),
  );
  const client = rig.client.service(snapshots);
  assert.equal((await client.Stat({ key: 'k' })).info?.kind, 77);
  assert.deepEqual(await client.Stat({}), { info: null });
});

test('17 MiB are refused both ways with ResourceExhausted, 15 MiB pass, and the server lives on', async () => {
  await using rig = await startRig(
    implement(snapshots, {
      Stat: async ({ key }) => ({ info: { name: 'x'.repeat(Number(key.slice(0, 9))) } }),
    }),
  );
  using bold = createRpcClient({ address: rig.address, maxMessageBytes: 64 * MIB });
  const client = bold.service(snapshots);
  await assert.rejects(client.Stat({ key: '1'.padEnd(17 * MIB) }), { code: 'ResourceExhausted' });
  await assert.rejects(client.Stat({ key: String(17 * MIB) }), { code: 'ResourceExhausted' });
  const { info } = await rig.client.service(snapshots).Stat({ key: String(15 * MIB).padEnd(15 * MIB) });
  assert.equal(info?.name.length, 15 * MIB);
});

test('bytes that are no request are answered with InvalidArgument', async () => {
  await using rig = await startRig(implement(snapshots, { Stat: async () => ({}) }));
  const raw = new Client(`unix:${rig.address}`, credentials.createInsecure());
  const code = await new Promise((resolve) => {
    raw.makeUnaryRequest(
      '/containerd.services.snapshots.v1.Snapshots/Stat',
      (bytes: Buffer) => bytes,
      (bytes: Buffer) => bytes,
      Buffer.from([0x80]),
      new Metadata(),
      (error) => resolve(error?.code),
    );
  });
  raw.close();
  assert.equal(code, 3);
});

test('the namespace and further metadata travel with every call', async () => {
  await using rig = await startRig(
    implement(snapshots, {
      Stat: async (_, { metadata }) => ({
        info: {
          name: JSON.stringify([metadata.get('containerd-namespace'), metadata.get('containerd-lease')]),
        },
      }),
    }),
  );
  using client = createRpcClient({ address: rig.address, namespace: 'k8s.io' });
  const answer = await client.service(snapshots).Stat({}, { metadata: { 'containerd-lease': 'l' } });
  assert.equal(answer.info?.name, '[["k8s.io"],["l"]]');
});
