import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, rename, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createRpcClient } from '../../../src/rpc/client.ts';
import { implement } from '../../../src/rpc/implementation.ts';
import { snapshots } from '../../../src/rpc/proto.ts';
import { activatedEndpoint, listen } from '../../../src/rpc/socket.ts';
import { startRig, temporaryDirectory } from './rig.ts';

// Only root can work in a directory that umask 777 made.
for (const mask of process.geteuid?.() === 0 ? [0o000, 0o077, 0o777] : [0o000, 0o077]) {
  test(`the socket has mode 0600 under umask ${mask.toString(8).padStart(3, '0')}`, async () => {
    const before = process.umask(mask);
    try {
      await using directory = await temporaryDirectory();
      const path = join(directory.path, 'x.sock');
      const server = createServer();
      const unlink = await listen(server, { path });
      assert.equal((await stat(path)).mode & 0o777, 0o600);
      assert.deepEqual(await readdir(directory.path), ['x.sock']);
      server.close();
      await unlink();
      assert.deepEqual(await readdir(directory.path), []);
    } finally {
      process.umask(before);
    }
  });
}

test('a stale socket is replaced, and directories above it are made', async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, 'a', 'b', 'x.sock');
  const dead = createServer();
  await mkdir(join(directory.path, 'a', 'b'), { recursive: true });
  dead.listen(`${path}.bound`);
  await once(dead, 'listening');
  await rename(`${path}.bound`, path);
  dead.close();
  await once(dead, 'close');
  const server = createServer((connection) => connection.end('new'));
  const unlink = await listen(server, { path });
  assert.equal((await stat(join(directory.path, 'a'))).mode & 0o777, 0o755 & ~process.umask());
  await unlink();
  server.close();
});

test('a socket that another server listens on is left alone', async () => {
  await using rig = await startRig(implement(snapshots, { Usage: async () => ({ size: 3n }) }));
  await assert.rejects(listen(createServer(), { path: rig.address }), {
    code: 'FailedPrecondition',
    message: /another daemon is listening on .*rpc\.sock/,
  });
  assert.equal((await rig.client.service(snapshots).Usage({})).size, 3n);
});

test('a file that is no socket is left alone', async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, 'x.sock');
  await writeFile(path, 'precious');
  await assert.rejects(listen(createServer(), { path }), {
    code: 'InvalidArgument',
    message: /is not a socket/,
  });
  assert.deepEqual(await readdir(directory.path), ['x.sock']);
});

test('a path of 107 bytes works, one of 108 is refused with its length', async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, 'x'.repeat(107 - directory.path.length - 1));
  await assert.rejects(listen(createServer(), { path: `${path}x` }), {
    code: 'InvalidArgument',
    message: /108 bytes.*at most 107/,
  });
  const server = createServer();
  const unlink = await listen(server, { path });
  server.close();
  await unlink();
});

test('a socket that is no longer ours is not removed at the end', async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, 'x.sock');
  const server = createServer();
  const unlink = await listen(server, { path });
  await rename(path, `${path}.old`);
  await writeFile(path, '');
  server.close();
  await unlink();
  assert.deepEqual((await readdir(directory.path)).toSorted(), ['x.sock', 'x.sock.old']);
});

// The parent keeps no descriptor of the socket (closing it unlinks only the name that was bound): it would
// accept connections in the child's place.
test('socket activation serves the inherited socket and leaves its file', async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, 'x.sock');
  const listener = createServer();
  listener.listen(`${path}.bound`);
  await once(listener, 'listening');
  await rename(`${path}.bound`, path);
  const handle: unknown = Reflect.get(listener, '_handle');
  const { fd } = handle as { fd: number };
  const child = spawn(
    '/bin/sh',
    [
      '-c',
      'LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" "$1"',
      process.execPath,
      fileURLToPath(import.meta.resolve('./activated.ts')),
    ],
    { stdio: ['ignore', 'pipe', 'inherit', fd] },
  );
  listener.close();
  assert.ok(child.stdout !== null);
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  assert.equal(line.toString(), '{"fd":3} undefined\n');
  using client = createRpcClient({ address: path });
  assert.equal((await client.service(snapshots).Usage({})).size, 42n);
  child.kill('SIGTERM');
  assert.deepEqual(await once(child, 'exit'), [0, null]);
  assert.ok((await stat(path)).isSocket());
});

test('activation variables of another process are ignored; more than one socket is refused', () => {
  assert.equal(activatedEndpoint({}, 5), undefined);
  assert.equal(activatedEndpoint({ LISTEN_PID: '6', LISTEN_FDS: '1' }, 5), undefined);
  assert.deepEqual(activatedEndpoint({ LISTEN_PID: '5', LISTEN_FDS: '1' }, 5), { fd: 3 });
  for (const count of ['0', '2', 'x', '']) {
    assert.throws(() => activatedEndpoint({ LISTEN_PID: '5', LISTEN_FDS: count }, 5), {
      code: 'InvalidArgument',
    });
  }
});
