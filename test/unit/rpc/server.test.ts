import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { createRpcClient } from '../../../src/rpc/client.ts';
import { createHealth } from '../../../src/rpc/health.ts';
import { implement } from '../../../src/rpc/implementation.ts';
import { health, snapshots } from '../../../src/rpc/proto.ts';
import { startRig } from './rig.ts';

test('close lets a running call end, takes no new one, and removes the socket', async () => {
  const started = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  await using rig = await startRig(
    implement(snapshots, {
      Usage: async () => {
        started.resolve();
        await release.promise;
        return { size: 1n };
      },
    }),
  );
  const call = rig.client.service(snapshots).Usage({});
  await started.promise;
  const closed = rig.server.close({ drainMs: 60_000 });
  using late = createRpcClient({ address: rig.address });
  await assert.rejects(
    late
      .service(snapshots)
      .Usage({})
      .finally(() => release.resolve()),
    { code: 'Unavailable' },
  );
  assert.equal((await call).size, 1n);
  await closed;
  assert.equal(existsSync(rig.address), false);
});

test('close ends what outlasts the drain and aborts its signal', async () => {
  const started = Promise.withResolvers<void>();
  const aborted = Promise.withResolvers<void>();
  await using rig = await startRig(
    implement(snapshots, {
      Usage: (_, { signal }) => {
        signal.addEventListener('abort', () => aborted.resolve(), { once: true });
        started.resolve();
        return new Promise(() => undefined);
      },
    }),
  );
  const call = assert.rejects(rig.client.service(snapshots).Usage({}));
  await started.promise;
  await rig.server.close({ drainMs: 0 });
  await call;
  await aborted.promise;
});

test('close returns at once when a client is connected but idle', async () => {
  await using rig = await startRig(implement(snapshots, { Usage: async () => ({}) }));
  await rig.client.service(snapshots).Usage({});
  await rig.server.close({ drainMs: 600_000 });
});

test('health: Check and Watch follow the status of a service', async () => {
  const state = createHealth();
  state.set('', 'SERVING');
  await using rig = await startRig(state.implementation);
  const client = rig.client.service(health);
  assert.deepEqual(await client.Check({}), { status: 'SERVING' });
  await assert.rejects(client.Check({ service: 'x' }), { code: 'NotFound', message: /"x".*: not found$/ });
  const watch = client.Watch({ service: 'x' })[Symbol.asyncIterator]();
  assert.deepEqual((await watch.next()).value, { status: 'SERVICE_UNKNOWN' });
  state.set('x', 'SERVING');
  assert.deepEqual((await watch.next()).value, { status: 'SERVING' });
  state.shutDown();
  assert.deepEqual((await watch.next()).value, { status: 'NOT_SERVING' });
  assert.equal((await watch.next()).done, true);
  assert.deepEqual(await client.Check({ service: 'x' }), { status: 'NOT_SERVING' });
});
