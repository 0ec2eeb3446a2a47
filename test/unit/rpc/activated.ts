// A server on an inherited socket: the child process of socket.test.ts.
import { silentLog } from '../../../src/log.ts';
import { implement } from '../../../src/rpc/implementation.ts';
import { snapshots } from '../../../src/rpc/proto.ts';
import { createRpcServer } from '../../../src/rpc/server.ts';
import { activatedEndpoint } from '../../../src/rpc/socket.ts';

const endpoint = activatedEndpoint(process.env, process.pid);
if (endpoint === undefined) throw new Error('no socket was handed over');
const server = createRpcServer({
  services: [implement(snapshots, { Usage: async () => ({ size: 42n }) })],
  log: silentLog,
});
await server.listen(endpoint);
process.once('SIGTERM', () => void server.close({ drainMs: 0 }));
process.stdout.write(`${JSON.stringify(endpoint)} ${process.env['LISTEN_FDS']}\n`);
