import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { silentLog } from '../../../src/log.ts';
import { createRpcClient } from '../../../src/rpc/client.ts';
import { createHealth } from '../../../src/rpc/health.ts';
import { implement } from '../../../src/rpc/implementation.ts';
import { health, snapshots } from '../../../src/rpc/proto.ts';
import { createRpcServer } from '../../../src/rpc/server.ts';
import { startRig, temporaryDirectory } from './rig.ts';

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

test('runs no more calls of a connection than it may; the others come in turn', async () => {
  await using directory = await temporaryDirectory();
  const address = `${directory.path}/rpc.sock`;
  const ends: (() => void)[] = [];
  const service = implement(snapshots, {
    Usage: async () => {
      await new Promise<void>((resolve) => ends.push(resolve));
      return { size: 1n };
    },
  });
  const server = createRpcServer({ services: [service], log: silentLog, maxCalls: 2 });
  await server.listen({ path: address });
  using client = createRpcClient({ address });
  const usage = async () => await client.service(snapshots).Usage({});
  // The server's limit is known with its first answer.
  const first = usage();
  while (ends.length < 1) await setTimeout(1);
  ends[0]?.();
  await first;
  const calls = [usage(), usage(), usage()];
  while (ends.length < 3) await setTimeout(1);
  await setTimeout(50);
  assert.equal(ends.length, 3);
  ends[1]?.();
  while (ends.length < 4) await setTimeout(1);
  for (const end of ends) end();
  await Promise.all(calls);
  client.close();
  await server.close({ drainMs: 1000 });
});
