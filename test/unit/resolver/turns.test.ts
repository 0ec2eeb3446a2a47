import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { silentLog } from '../../../src/log.ts';
import { RegistryServer } from '../../../src/resolver/registry-server.ts';
import { inTurn } from '../../../src/resolver/turns.ts';
import type { ImageLease } from '../../../src/store-image/image-cache.ts';
import { StatusError } from '../../../src/errors.ts';

const URL_PATH = '/v2/x/manifests/latest';
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
    assert.equal(await inTurn(URL_PATH, here, () => promise, 60_000), lease);
  });

  it('sends on who has waited for a turn, nine times, and lets the last wait', async () => {
    let url = `${URL_PATH}?ns=nix%3A0`;
    for (let turn = 1; turn <= 9; turn += 1) {
      const { promise, found, disposed } = pending();
      const next = await inTurn(url, here, () => promise, 1);
      assert.ok('location' in next);
      url = next.location;
      assert.equal(url, `${URL_PATH}?ns=nix%3A0&turn=${turn}`);
      found();
      await disposed;
    }
    const { promise, found, lease } = pending();
    setTimeout(found, 50);
    assert.equal(await inTurn(url, here, () => promise, 1), lease);
  });

  it('holds on to the wait when the client is sent on, and ends it with a client that goes', async () => {
    const gone = new AbortController();
    const signals: AbortSignal[] = [];
    const { promise } = pending();
    const keep = async (signal: AbortSignal) => {
      signals.push(signal);
      return await promise;
    };
    assert.ok('location' in (await inTurn(URL_PATH, gone.signal, keep, 1)));
    void inTurn(`${URL_PATH}?turn=9`, gone.signal, keep, 1);
    gone.abort();
    assert.deepEqual(
      signals.map(({ aborted }) => aborted),
      [false, true],
    );
  });

  it('passes a failure on', async () => {
    const failing = async () => {
      throw new StatusError('FailedPrecondition', 'absent');
    };
    await assert.rejects(inTurn(URL_PATH, here, failing, 60_000), { message: 'absent' });
  });

  for (const turn of ['-1', '1.5', 'x', '9', '1e9']) {
    it(`sends nobody on who comes with turn=${turn}`, async () => {
      const { promise, found, lease } = pending();
      setTimeout(found, 20);
      assert.equal(await inTurn(`${URL_PATH}?turn=${turn}`, here, () => promise, 1), lease);
    });
  }
});

it('a client that follows redirects gets the answer that it waited for', async () => {
  const { promise, reject } = pending();
  const images = { resolve: async () => await promise };
  const token = 'a'.repeat(64);
  const options = { host: '127.0.0.1', port: 0, token, turnMs: 20 };
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
  setTimeout(() => reject(new StatusError('FailedPrecondition', 'no cache has it')), 100);
  const last = await fetch(url, { headers });
  assert.equal(last.status, 422);
  assert.ok(last.redirected);
  assert.match(await last.text(), /no cache has it/);
});
