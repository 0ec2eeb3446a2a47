import { createServer, type Server as NetServer, type Socket } from 'node:net';
import { Server, ServerCredentials, type ServiceDefinition } from '@grpc/grpc-js';
import type { Log } from '../log.ts';
import {
  streamHandler,
  unaryHandler,
  type HandlerDeps,
  type RpcRecord,
  type StreamHandler,
  type UnaryHandler,
} from './handler.ts';
import type { Implementation } from './implementation.ts';
import { listen, type Endpoint } from './socket.ts';

/** What containerd allows each way (`defaults/defaults.go`): 16 MiB. */
export const MAX_MESSAGE_BYTES = 16 * 1024 * 1024;

export interface RpcServerOptions {
  readonly services: readonly Implementation[];
  readonly log: Log;
  readonly maxMessageBytes?: number;
  /** Further ones are closed at once; unbounded unless told. */
  readonly maxConnections?: number;
  /** Calls of one connection that run at a time; its client keeps further ones back. Unbounded unless told. */
  readonly maxCalls?: number;
  /** Told about every finished call. */
  readonly observe?: (record: RpcRecord) => void;
}

export interface RpcServer {
  /** Throws what {@link listen} of socket.ts throws. */
  listen(endpoint: Endpoint): Promise<void>;
  /**
   * Takes no more connections or calls, waits up to `drainMs` milliseconds for calls that run, then ends them
   * (their signal is aborted), and removes the socket file if this server made it.
   */
  close(options: { readonly drainMs: number }): Promise<void>;
}

/** A gRPC server without transport security, for unix sockets: their permissions are the access control. */
export function createRpcServer(options: RpcServerOptions): RpcServer {
  const { services, log, maxConnections, maxMessageBytes = MAX_MESSAGE_BYTES } = options;
  const { observe = () => undefined, maxCalls } = options;
  const grpc = new Server({
    'grpc.max_receive_message_length': maxMessageBytes,
    'grpc.max_send_message_length': maxMessageBytes,
    'grpc.enable_channelz': 0,
    ...(maxCalls === undefined ? {} : { 'grpc.max_concurrent_streams': maxCalls }),
  });
  for (const implementation of services) register(grpc, implementation, { log, observe, maxMessageBytes });
  const injector = grpc.createConnectionInjector(ServerCredentials.createInsecure());
  const sockets: { server: NetServer; unlink: () => Promise<void> }[] = [];
  const connections = new Set<Socket>();
  const accept = (connection: Socket) => {
    connections.add(connection);
    connection.once('close', () => connections.delete(connection));
    injector.injectConnection(connection);
  };
  return {
    async listen(endpoint) {
      const server = createServer(accept);
      if (maxConnections !== undefined) server.maxConnections = maxConnections;
      sockets.push({ server, unlink: await listen(server, endpoint) });
    },
    async close({ drainMs }) {
      const closed = sockets.splice(0).map(async ({ server, unlink }) => {
        const stopped = new Promise<void>((resolve) => server.close(() => resolve()));
        await unlink();
        await stopped;
      });
      const drained = new Promise<void>((resolve) => grpc.tryShutdown(() => resolve()));
      const timer = setTimeout(() => destroyAll(connections), drainMs);
      await Promise.all([drained, ...closed]);
      clearTimeout(timer);
    },
  };
}

/** grpc-js's own forceShutdown ends no session while channelz is off. */
function destroyAll(connections: ReadonlySet<Socket>): void {
  for (const connection of connections) connection.destroy();
}

/** grpc-js hands messages on as bytes: the handlers decode and encode. */
function register(grpc: Server, { service, handlers }: Implementation, deps: HandlerDeps): void {
  const definition: Record<string, ServiceDefinition[string]> = {};
  const wrapped: Record<string, ReturnType<typeof unaryHandler> | ReturnType<typeof streamHandler>> = {};
  for (const [name, method] of service.methods) {
    definition[name] = {
      path: method.path,
      requestStream: method.requestStream,
      responseStream: method.responseStream,
      requestSerialize: asIs,
      requestDeserialize: asIs,
      responseSerialize: asIs,
      responseDeserialize: asIs,
    };
    const handler = handlers[name];
    if (handler === undefined || method.requestStream) continue;
    wrapped[name] = method.responseStream
      ? streamHandler(method, handler as StreamHandler, deps)
      : unaryHandler(method, handler as UnaryHandler, deps);
  }
  grpc.addService(definition, wrapped);
}

function asIs(bytes: Buffer): Buffer {
  return bytes;
}
