import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Log } from '../../../src/log.ts';
import { createRpcClient, type RpcClient } from '../../../src/rpc/client.ts';
import type { RpcRecord } from '../../../src/rpc/handler.ts';
import type { Implementation } from '../../../src/rpc/implementation.ts';
import { createRpcServer, type RpcServer } from '../../../src/rpc/server.ts';

export interface Rig extends AsyncDisposable {
  readonly server: RpcServer;
  readonly client: RpcClient;
  readonly address: string;
  readonly records: RpcRecord[];
  readonly logged: { readonly level: string; readonly fields: object; readonly text: string }[];
}

/** A directory that is removed at the end of the scope. */
export async function temporaryDirectory(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'nix-snapshotter-rpc-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** A real server on a real socket in a directory of its own, and a client of it. */
export async function startRig(...services: Implementation[]): Promise<Rig> {
  const directory = await temporaryDirectory();
  const address = join(directory.path, 'rpc.sock');
  const records: RpcRecord[] = [];
  const logged: Rig['logged'] = [];
  const level = (name: string) => (fields: object, text: string) =>
    void logged.push({ level: name, fields, text });
  const log: Log = { debug: level('debug'), info: level('info'), warn: level('warn'), error: level('error') };
  const server = createRpcServer({ services, log, observe: (record) => records.push(record) });
  await server.listen({ path: address });
  const client = createRpcClient({ address });
  return {
    server,
    client,
    address,
    records,
    logged,
    async [Symbol.asyncDispose]() {
      client.close();
      await server.close({ drainMs: 0 });
      await directory[Symbol.asyncDispose]();
    },
  };
}
