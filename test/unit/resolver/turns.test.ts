import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { silentLog } from '../../../src/log.ts';
import { RegistryServer } from '../../../src/resolver/registry-server.ts';
import { inTurn } from '../../../src/resolver/turns.ts';
import type { ImageLease } from '../../../src/store-image/image-cache.ts';
import { StatusError } from '../../../src/errors.ts';

const URL_PATH = '/v2/x/manifests/latest';
const LONG = { turnMs: 60_000, deadlineMs: 600_000 };
const SHORT = { turnMs: 1, deadlineMs: 600_000 };
const here = new AbortController().signal;

/** An image that is found when it is told to. */
function pending() {
  const { promise, resolve, reject } = Promise.withResolvers<ImageLease>();
  const disposed = Promise.withResolvers<void>();
  const lease = { image: {}, [Symbol.dispose]: () => disposed.resolve() } as unknown as ImageLease;
  return { promise, found: () => resolve(lease), reject, lease, disposed: disposed.promise };
}

describe('inTurn', () => {
  it('gives what is there in time', async () => {
    const { promise, found, lease } = pending();
    found();
    assert.equal(await inTurn(URL_PATH, here, () => promise, LONG), lease);
  });

  it('sends on who has waited for a turn, nine times, and lets the last wait a turn', async () => {
    let url = `${URL_PATH}?ns=nix%3A0`;
    for (let turn = 1; turn <= 9; turn += 1) {
      const { promise, found, disposed } = pending();
      const next = await inTurn(url, here, () => promise, SHORT);
      assert.ok('location' in next);
      url = next.location;
      assert.equal(url, `${URL_PATH}?ns=nix%3A0&turn=${turn}`);
      found();
      await disposed;
    }
    const { promise, found, lease } = pending();
    void setTimeout(50).then(found);
    assert.equal(await inTurn(url, here, () => promise, SHORT), lease);
  });

  it('holds on to the wait when the client is sent on, and ends it with a client that goes', async () => {
    const gone = new AbortController();
    const signals: AbortSignal[] = [];
    const { promise } = pending();
    const keep = async (signal: AbortSignal) => {
      signals.push(signal);
      return await promise;
    };
    assert.ok('location' in (await inTurn(URL_PATH, gone.signal, keep, SHORT)));
    const last = inTurn(`${URL_PATH}?turn=9`, gone.signal, keep, SHORT);
    gone.abort();
    assert.deepEqual(
      signals.map(({ aborted }) => aborted),
      [false, true],
    );
    await assert.rejects(last, { code: 'DeadlineExceeded' });
  });

  it('lets all turns last no longer than the deadline, and the last no longer than a turn', async () => {
    const told: number[] = [];
    const waits = async (_: AbortSignal, deadlineMs: number): Promise<ImageLease> => {
      told.push(deadlineMs);
      await setTimeout(deadlineMs);
      throw new StatusError('DeadlineExceeded', 'realise x: not finished');
    };
    const times = { turnMs: 40, deadlineMs: 100 };
    for (const turn of [0, 1])
      assert.ok('location' in (await inTurn(`${URL_PATH}?turn=${turn}`, here, waits, times)));
    for (const turn of ['2', '3', '9', '1e9', '-1'])
      await assert.rejects(inTurn(`${URL_PATH}?turn=${turn}`, here, waits, times), {
        message: /not finished/,
      });
    await assert.rejects(inTurn(`${URL_PATH}?turn=9`, here, waits, { ...times, deadlineMs: 60_000 }), {
      code: 'DeadlineExceeded',
    });
    assert.deepEqual(told, [100, 60, 20, 0, 0, 0, 0, 40]);
  });

  it('ends the last turn, and the wait, though what is waited for keeps no deadline', async () => {
    const { promise } = pending();
    await assert.rejects(
      inTurn(URL_PATH, here, () => promise, { turnMs: 40, deadlineMs: 10 }),
      {
        code: 'DeadlineExceeded',
        message: `${URL_PATH}: is not ready; a retry joins it: deadline exceeded`,
      },
    );
  });

  it('passes a failure on', async () => {
    const failing = async () => {
      throw new StatusError('FailedPrecondition', 'absent');
    };
    await assert.rejects(inTurn(URL_PATH, here, failing, LONG), { message: 'absent' });
  });

  for (const turn of ['-1', '1.5', 'x', '9', '1e9']) {
    it(`sends nobody on who comes with turn=${turn}`, async () => {
      const { promise, found, lease } = pending();
      void setTimeout(20).then(found);
      assert.equal(await inTurn(`${URL_PATH}?turn=${turn}`, here, () => promise, SHORT), lease);
    });
  }
});

it('a client that follows redirects gets the answer that it waited for', async () => {
  const { promise, reject } = pending();
  const images = { resolve: async () => await promise };
  const token = 'a'.repeat(64);
  const options = { host: '127.0.0.1', port: 0, token, turnMs: 20, deadlineMs: 60_000 };
  await using server = await RegistryServer.listen(options, {
    resolver: images,
    layers: images,
    log: silentLog,
  });
  const url = `http://127.0.0.1:${server.port}/v2/nix/store/${'0'.repeat(32)}-x/manifests/latest?ns=nix%3A0`;
  const headers = { authorization: `Bearer ${token}` };
  const first = await fetch(url, { headers, redirect: 'manual' });
  assert.equal(first.status, 307);
  assert.match(
    first.headers.get('location') ?? '',
    /^\/v2\/nix\/store\/0{32}-x\/manifests\/latest\?.*turn=1$/,
  );
  void setTimeout(100).then(() => reject(new StatusError('FailedPrecondition', 'no cache has it')));
  const last = await fetch(url, { headers });
  assert.equal(last.status, 422);
  assert.ok(last.redirected);
  assert.match(await last.text(), /no cache has it/);
});
