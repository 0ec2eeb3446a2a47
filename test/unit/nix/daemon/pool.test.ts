import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import type { StorePath } from '../../../../src/closure/store-path.ts';
import { DaemonConnection } from '../../../../src/nix/daemon/connection.ts';
import { isValidPath } from '../../../../src/nix/daemon/operations.ts';
import { ConnectionPool } from '../../../../src/nix/daemon/pool.ts';
import { connectSocket } from '../../../../src/nix/daemon/transport.ts';
import { answerValidity, FakeDaemon } from './fake-daemon.ts';

const PATH = `/nix/store/${'a'.repeat(32)}-x` as StorePath;

function poolOf(daemon: FakeDaemon, { size = 2, keptMs = 60_000 } = {}): ConnectionPool {
  const open = async () => await DaemonConnection.open(await connectSocket(daemon.path));
  return new ConnectionPool({ size, keptMs }, { open });
}

const start = async () => await FakeDaemon.start((client) => void answerValidity(client, new Set([PATH])));
const ask = async (pool: ConnectionPool) =>
  await pool.use(async (connection) => await connection.ask(isValidPath(PATH)));

describe('ConnectionPool', () => {
  it('keeps a connection from one question to the next', async () => {
    await using daemon = await start();
    const pool = poolOf(daemon);
    assert.deepEqual([await ask(pool), await ask(pool)], [true, true]);
    assert.equal(daemon.clients, 1);
    await pool.close();
  });

  it('has a connection ready that was asked for ahead, and none too many', async () => {
    await using daemon = await start();
    const pool = poolOf(daemon);
    pool.warm(1);
    assert.equal(await ask(pool), true);
    pool.warm(1);
    assert.equal(await ask(pool), true);
    assert.ok(daemon.clients <= 2);
    await pool.close();
    pool.warm(1);
    assert.ok(daemon.clients <= 2);
  });

  it('takes none again that was opened long ago, however often it was used', async () => {
    await using daemon = await start();
    const pool = poolOf(daemon, { keptMs: 200 });
    const end = performance.now() + 250;
    while (performance.now() < end) assert.equal(await ask(pool), true);
    assert.ok(daemon.clients >= 2);
    await pool.close();
  });

  it('leaves a failure to open ahead to the next question', async () => {
    const open = () => Promise.reject(new Error('no daemon'));
    const pool = new ConnectionPool({ size: 1, keptMs: 1000 }, { open });
    pool.warm(1);
    await assert.rejects(ask(pool), /no daemon/);
    await pool.close();
  });

  it('opens no more connections than it may', async () => {
    await using daemon = await start();
    const pool = poolOf(daemon);
    const answers = await Promise.all(Array.from({ length: 20 }, async () => await ask(pool)));
    assert.equal(answers.filter(Boolean).length, 20);
    assert.equal(daemon.clients, 2);
    await pool.close();
  });

  it('connects again after a restart of the daemon', async () => {
    await using daemon = await start();
    const pool = poolOf(daemon);
    await ask(pool);
    daemon.dropClients();
    assert.equal(await ask(pool), true);
    assert.equal(daemon.clients, 2);
    await pool.close();
  });

  it('ends what idles', async () => {
    const left = Promise.withResolvers<unknown>();
    await using daemon = await FakeDaemon.start((client) => {
      left.resolve(once(client, 'close'));
      void answerValidity(client, new Set());
    });
    const pool = poolOf(daemon, { keptMs: 1 });
    await ask(pool);
    await left.promise;
    await pool.close();
  });

  it('answers nothing once it is closed', async () => {
    await using daemon = await start();
    const pool = poolOf(daemon);
    await ask(pool);
    await pool.close();
    await assert.rejects(ask(pool), { code: 'Unavailable' });
  });
});
