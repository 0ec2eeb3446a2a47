import { resolve } from 'node:path';
import {
  Client,
  type ClientReadableStream,
  credentials,
  Metadata,
  type CallOptions as GrpcCallOptions,
  type ServiceError,
} from '@grpc/grpc-js';
import { StatusError } from '../errors.ts';
import type { Method, MethodShape, Service } from './proto.ts';
import { MAX_MESSAGE_BYTES } from './server.ts';
import { statusName, toStatusError } from './status.ts';

/** The metadata key by which containerd learns the namespace of a call. */
export const NAMESPACE_KEY = 'containerd-namespace';

export interface RpcClientOptions {
  /** Path of the unix socket. */
  readonly address: string;
  /** containerd namespace to send with every call. */
  readonly namespace?: string;
  readonly maxMessageBytes?: number;
}

export interface CallOptions {
  /** Gives the call up. */
  readonly signal?: AbortSignal;
  /** Milliseconds after which the call ends with DeadlineExceeded. */
  readonly timeoutMs?: number;
  /** Further metadata, such as `containerd-lease`. */
  readonly metadata?: Readonly<Record<string, string>>;
}

type Requests<S extends MethodShape> = S['requestStream'] extends true
  ? AsyncIterable<S['requestInput']>
  : S['requestInput'];
type Responses<S extends MethodShape> = S['responseStream'] extends true
  ? AsyncIterable<S['response']>
  : Promise<S['response']>;

/** A function for each method. Every failure is a StatusError; stopping to iterate cancels the call. */
export type ServiceClient<M> = {
  readonly [K in keyof M]: M[K] extends MethodShape
    ? (request: Requests<M[K]>, options?: CallOptions) => Responses<M[K]>
    : never;
};

export interface RpcClient extends Disposable {
  service<M>(service: Service<M>): ServiceClient<M>;
  /** Drops the connection; calls that run end with Cancelled. */
  close(): void;
}

interface Call {
  cancel(): void;
}

/** A client of one unix socket. It connects at the first call, and again after the server was gone. */
export function createRpcClient(options: RpcClientOptions): RpcClient {
  const { address, namespace, maxMessageBytes = MAX_MESSAGE_BYTES } = options;
  const grpc = new Client(`unix:${resolve(address)}`, credentials.createInsecure(), {
    'grpc.max_receive_message_length': maxMessageBytes,
    'grpc.max_send_message_length': maxMessageBytes,
    'grpc.enable_channelz': 0,
    'grpc.enable_retries': 0,
    'grpc.use_local_subchannel_pool': 1,
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 3000,
  });
  const close = () => grpc.close();
  return {
    service<M>(service: Service<M>) {
      const functions = [...service.methods].map(([name, method]) => [
        name,
        (request: never, callOptions: CallOptions = {}) => {
          const metadata = metadataOf(namespace, callOptions.metadata);
          return method.responseStream
            ? streamCall(grpc, method, request, metadata, callOptions)
            : unaryCall(grpc, method, request, metadata, callOptions);
        },
      ]);
      return Object.fromEntries(functions) as ServiceClient<M>;
    },
    close,
    [Symbol.dispose]: close,
  };
}

async function unaryCall(
  grpc: Client,
  method: Method,
  request: object | AsyncIterable<object>,
  metadata: Metadata,
  options: CallOptions,
): Promise<object> {
  options.signal?.throwIfAborted();
  const { promise, resolve: answered, reject } = Promise.withResolvers<Buffer>();
  const callback = (error: ServiceError | null, response?: Buffer) =>
    error === null && response !== undefined ? answered(response) : reject(fromGrpc(method, error));
  const late = grpcOptions(options);
  let call: Call;
  if (method.requestStream) {
    const stream = grpc.makeClientStreamRequest(method.path, asIs, asIs, metadata, late, callback);
    call = stream;
    send(method, request as AsyncIterable<object>, stream).catch((error: unknown) => {
      reject(toStatusError(error));
      stream.cancel();
    });
  } else {
    const bytes = method.request.encode(request);
    call = grpc.makeUnaryRequest(method.path, asIs, asIs, bytes, metadata, late, callback);
  }
  using _ = cancelOn(options.signal, call);
  return method.response.decode(await promise);
}

async function* streamCall(
  grpc: Client,
  method: Method,
  request: object | AsyncIterable<object>,
  metadata: Metadata,
  options: CallOptions,
): AsyncGenerator<object> {
  options.signal?.throwIfAborted();
  const late = grpcOptions(options);
  let sendError: unknown;
  let call: ClientReadableStream<Buffer>;
  if (method.requestStream) {
    const stream = grpc.makeBidiStreamRequest(method.path, asIs, asIs, metadata, late);
    call = stream;
    send(method, request as AsyncIterable<object>, stream).catch((error: unknown) => {
      sendError = error;
      stream.cancel();
    });
  } else {
    const bytes = method.request.encode(request);
    call = grpc.makeServerStreamRequest(method.path, asIs, asIs, bytes, metadata, late);
  }
  using _ = cancelOn(options.signal, call);
  try {
    for await (const bytes of call as AsyncIterable<Buffer>) yield method.response.decode(bytes);
  } catch (error) {
    throw sendError === undefined ? fromGrpc(method, error) : toStatusError(sendError);
  } finally {
    call.cancel();
  }
}

interface RequestWriter {
  write(bytes: Buffer, written: () => void): boolean;
  end(): void;
}

/** Sends messages one by one, each when the one before was taken by the transport. */
async function send(method: Method, requests: AsyncIterable<object>, call: RequestWriter): Promise<void> {
  for await (const request of requests) {
    const bytes = method.request.encode(request);
    await new Promise<void>((taken) => call.write(bytes, taken));
  }
  call.end();
}

function metadataOf(namespace: string | undefined, further: CallOptions['metadata']): Metadata {
  const metadata = new Metadata();
  if (namespace !== undefined) metadata.set(NAMESPACE_KEY, namespace);
  for (const [key, value] of Object.entries(further ?? {})) metadata.set(key, value);
  return metadata;
}

function grpcOptions({ timeoutMs }: CallOptions): GrpcCallOptions {
  return timeoutMs === undefined ? {} : { deadline: Date.now() + timeoutMs };
}

function cancelOn(signal: AbortSignal | undefined, call: Call): Disposable {
  const cancel = () => call.cancel();
  signal?.addEventListener('abort', cancel, { once: true });
  return { [Symbol.dispose]: () => signal?.removeEventListener('abort', cancel) };
}

/**
 * grpc-js's words for a stream that was closed without an answer, which it calls INTERNAL: the server went away while it
 * worked, as with a connection that breaks.
 */
const ENDED_WITHOUT_STATUS = 'Call ended without gRPC status';

function fromGrpc(method: Method, error: unknown): StatusError {
  if (error instanceof StatusError) return error;
  if (error instanceof Error && 'code' in error && 'details' in error) {
    const details = String(error.details);
    const code = details.includes(ENDED_WITHOUT_STATUS) ? 'Unavailable' : statusName(Number(error.code));
    return new StatusError(code, details, { cause: error });
  }
  return new StatusError('Internal', `${method.path}: the answer cannot be read: ${String(error)}`, {
    cause: error,
  });
}

function asIs(bytes: Buffer): Buffer {
  return bytes;
}
