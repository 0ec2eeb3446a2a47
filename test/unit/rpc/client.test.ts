import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http2';
import { join } from 'node:path';
import { test } from 'node:test';
import { createRpcClient } from '../../../src/rpc/client.ts';
import { snapshots } from '../../../src/rpc/proto.ts';
import { temporaryDirectory } from './rig.ts';

test('a server that goes away in the middle of a call is Unavailable', async () => {
  await using directory = await temporaryDirectory();
  const address = join(directory.path, 'x.sock');
  const server = createServer();
  server.on('stream', (stream) => stream.close(0));
  server.listen(address);
  await once(server, 'listening');
  using client = createRpcClient({ address });
  await assert.rejects(client.service(snapshots).Stat({ key: 'k' }), { code: 'Unavailable' });
  client.close();
  server.close();
});
