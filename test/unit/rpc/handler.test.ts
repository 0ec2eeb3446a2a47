import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { StatusError } from '../../../src/errors.ts';
import { implement } from '../../../src/rpc/implementation.ts';
import { snapshots } from '../../../src/rpc/proto.ts';
import { startRig } from './rig.ts';

test('a StatusError arrives with its code and text', async () => {
  await using rig = await startRig(
    implement(snapshots, {
      Stat: ({ key }) => Promise.reject(new StatusError('NotFound', `snapshot ${key} – ü\nx: not found`)),
    }),
  );
  await assert.rejects(rig.client.service(snapshots).Stat({ key: 'k' }), {
    name: 'StatusError',
    code: 'NotFound',
    message: 'snapshot k – ü\nx: not found',
  });
  assert.deepEqual(
    rig.records.map(({ method, code }) => [method, code]),
    [['/containerd.services.snapshots.v1.Snapshots/Stat', 'NotFound']],
  );
});

test('any other rejection is Internal with its message, and logged with its stack', async () => {
  const failure = new TypeError('boom');
  await using rig = await startRig(implement(snapshots, { Stat: () => Promise.reject(failure) }));
  await assert.rejects(rig.client.service(snapshots).Stat({}), { code: 'Internal', message: 'boom' });
  assert.deepEqual(
    rig.logged.filter(({ level }) => level === 'error').map(({ fields }) => (fields as { err: unknown }).err),
    [failure],
  );
});

test('a synchronous throw is answered, unary and stream', async () => {
  const broken = () => {
    throw new Error('thrown at once');
  };
  await using rig = await startRig(implement(snapshots, { Stat: broken, List: broken }));
  const client = rig.client.service(snapshots);
  await assert.rejects(client.Stat({}), { code: 'Internal', message: 'thrown at once' });
  await assert.rejects(Array.fromAsync(client.List({})), { code: 'Internal', message: 'thrown at once' });
});

test('a rejection with no Error at all is answered', async () => {
  const nothing: unknown = undefined;
  await using rig = await startRig(implement(snapshots, { Stat: () => Promise.reject(nothing) }));
  await assert.rejects(rig.client.service(snapshots).Stat({}), { code: 'Internal', message: 'undefined' });
});

test('an answer that cannot be encoded is Internal, and the server lives on', async () => {
  await using rig = await startRig(
    implement(snapshots, {
      Mounts: async ({ key }) => (key === 'bad' ? { mounts: 5 as unknown as [] } : { mounts: [] }),
      List: async function* () {
        yield { info: [] };
        yield { info: 'x' as unknown as [] };
      },
    }),
  );
  const client = rig.client.service(snapshots);
  await assert.rejects(client.Mounts({ key: 'bad' }), { code: 'Internal', message: /mounts/ });
  await assert.rejects(Array.fromAsync(client.List({})), { code: 'Internal', message: /info/ });
  assert.deepEqual(await client.Mounts({ key: 'good' }), { mounts: [] });
});

test('a message that would not fit a trailer is cut in its middle; a lone surrogate is replaced', async () => {
  const long = `${'ü'.repeat(100_000)}: not found`;
  await using rig = await startRig(
    implement(snapshots, {
      Stat: ({ key }) => Promise.reject(new StatusError('NotFound', key === 'long' ? long : 'a\uD800b')),
    }),
  );
  const client = rig.client.service(snapshots);
  await assert.rejects(client.Stat({ key: 'long' }), (error: StatusError) => {
    assert.equal(error.code, 'NotFound');
    assert.match(error.message, /^ü+ … ü+: not found$/);
    assert.ok(Buffer.byteLength(error.message) <= 8192);
    return true;
  });
  await assert.rejects(client.Stat({ key: 'surrogate' }), { message: 'a\uFFFDb' });
});

test('a cancelled call aborts the signal of its handler', async () => {
  const started = Promise.withResolvers<void>();
  const aborted = Promise.withResolvers<unknown>();
  await using rig = await startRig(
    implement(snapshots, {
      Prepare: async (_, { signal }) => {
        started.resolve();
        await once(signal, 'abort');
        aborted.resolve(signal.reason);
        throw signal.reason as Error;
      },
    }),
  );
  const abort = new AbortController();
  const call = rig.client.service(snapshots).Prepare({ key: 'k' }, { signal: abort.signal });
  await started.promise;
  abort.abort();
  await assert.rejects(call, { code: 'Cancelled' });
  assert.equal(((await aborted.promise) as StatusError).code, 'Cancelled');
});

test('a deadline aborts the handler with DeadlineExceeded and is told to it', async () => {
  const seen = Promise.withResolvers<{ reason: StatusError; deadline: Date | undefined }>();
  await using rig = await startRig(
    implement(snapshots, {
      Prepare: async (_, { signal, deadline }) => {
        if (!signal.aborted) await once(signal, 'abort');
        seen.resolve({ reason: signal.reason as StatusError, deadline });
        return { mounts: [] };
      },
    }),
  );
  await assert.rejects(rig.client.service(snapshots).Prepare({}, { timeoutMs: 100 }), {
    code: 'DeadlineExceeded',
  });
  const { reason, deadline } = await seen.promise;
  assert.equal(reason.code, 'DeadlineExceeded');
  assert.ok(deadline instanceof Date);
});

test('a stream whose reader goes away is returned, and no more is asked of it', async () => {
  const returned = Promise.withResolvers<number>();
  await using rig = await startRig(
    implement(snapshots, {
      async *List() {
        let produced = 0;
        try {
          for (;;) {
            produced++;
            yield { info: [{ name: 'x'.repeat(100_000) }] };
          }
        } finally {
          returned.resolve(produced);
        }
      },
    }),
  );
  for await (const { info } of rig.client.service(snapshots).List({})) {
    assert.equal(info.length, 1);
    break;
  }
  assert.ok((await returned.promise) > 0);
});

test('a slow reader holds the producer back', async () => {
  let produced = 0;
  await using rig = await startRig(
    implement(snapshots, {
      async *List() {
        for (; produced < 2000; produced++) yield { info: [{ name: 'x'.repeat(100_000) }] };
      },
    }),
  );
  const messages = rig.client.service(snapshots).List({})[Symbol.asyncIterator]();
  await messages.next();
  let before: number;
  do {
    before = produced;
    await rig.client
      .service(snapshots)
      .Stat({})
      .catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, 50));
  } while (produced !== before);
  assert.ok(produced < 1000, `${produced} messages of 100 kB were made for a reader that took one`);
  await messages.return?.();
});

test('a method without handler is Unimplemented', async () => {
  await using rig = await startRig(implement(snapshots, {}));
  await assert.rejects(rig.client.service(snapshots).Cleanup({}), { code: 'Unimplemented' });
  await assert.rejects(Array.fromAsync(rig.client.service(snapshots).List({})), { code: 'Unimplemented' });
});
