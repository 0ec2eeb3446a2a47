import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { StorePath } from '../../../src/closure/store-path.ts';
import { collectorSocket, spareFromCollection } from '../../../src/nix/collector.ts';

const PATH = `/nix/store/${'a'.repeat(32)}-x` as StorePath;

describe('a garbage collection', () => {
  let directory = '';
  let socket = '';
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'collector-'));
    socket = collectorSocket(join(directory, 'nix', 'store'));
    await mkdir(dirname(socket), { recursive: true });
  });
  afterEach(() => rm(directory, { recursive: true }));

  /** Listens as a collection does; ended by the test. */
  async function collection(): Promise<{ server: Server; client: Promise<Socket> }> {
    const server = createServer().listen(socket);
    const client = once(server, 'connection').then(([accepted]) => accepted as Socket);
    await once(server, 'listening');
    return { server, client };
  }

  it('listens beside the store', () => {
    assert.equal(collectorSocket('/nix/store'), '/nix/var/nix/gc-socket/socket');
  });

  it('is not waited for where none ever ran', async () => {
    assert.equal(await spareFromCollection(socket, PATH, 60_000, undefined), 'nobody');
  });

  it('is told the path, and waited for until its end', async () => {
    const { server, client } = await collection();
    const ended = spareFromCollection(socket, PATH, 60_000, undefined);
    const connection = await client;
    assert.equal(String((await once(connection, 'data'))[0]), `${PATH}\n`);
    let waited = true;
    void ended.then(() => (waited = false));
    connection.write('1');
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(waited, true);
    connection.end();
    assert.equal(await ended, 'ended');
    await new Promise((resolve) => server.close(resolve));
  });

  it('is not waited for for ever, nor longer than the caller waits', async () => {
    const { server } = await collection();
    server.on('connection', (connection) => connection.resume());
    assert.equal(await spareFromCollection(socket, PATH, 50, undefined), 'runs');
    assert.equal(await spareFromCollection(socket, PATH, 60_000, AbortSignal.timeout(50)), 'runs');
    await new Promise((resolve) => server.close(resolve));
  });
});
