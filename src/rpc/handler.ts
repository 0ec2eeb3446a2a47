import type { Metadata, ServerUnaryCall, ServerWritableStream, sendUnaryData } from '@grpc/grpc-js';
import { StatusError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Method } from './proto.ts';
import { statusNumber, toStatusError, wireMessage } from './status.ts';

/** What a handler is told about the call besides its request. */
export interface RpcContext {
  /** Aborted when nobody waits for the answer any more; its reason is a StatusError Cancelled or DeadlineExceeded. */
  readonly signal: AbortSignal;
  readonly metadata: Metadata;
  /** When the caller gives up; undefined when it said nothing. */
  readonly deadline: Date | undefined;
}

/** One finished call: `/package.Service/Method`, the name of its status, how long it took. */
export interface RpcRecord {
  readonly method: string;
  readonly code: string;
  readonly milliseconds: number;
}

export interface HandlerDeps {
  readonly log: Log;
  readonly observe: (record: RpcRecord) => void;
  readonly maxMessageBytes: number;
}

export type UnaryHandler = (request: object, context: RpcContext) => Promise<object>;
export type StreamHandler = (request: object, context: RpcContext) => AsyncIterable<object>;

type AnyCall = ServerUnaryCall<Buffer, Buffer> | ServerWritableStream<Buffer, Buffer>;

/**
 * Wraps a unary handler for grpc-js: every call gets exactly one answer, whatever the handler does.
 * Requests and responses cross grpc-js as bytes, so that what cannot be decoded or encoded is answered here too:
 * InvalidArgument and Internal.
 */
export function unaryHandler(method: Method, handle: UnaryHandler, deps: HandlerDeps) {
  return (call: ServerUnaryCall<Buffer, Buffer>, answer: sendUnaryData<Buffer>): void => {
    const done = recorder(method, deps);
    const context = new CallContext(call);
    respond(method, handle, call.request, context, deps).then(
      (bytes) => {
        context.answered();
        done('OK');
        answer(null, bytes);
      },
      (thrown: unknown) => {
        const error = reasonFor(thrown, context);
        context.answered();
        done(error.code, error);
        answer(grpcStatus(error));
      },
    );
  };
}

/**
 * Wraps a handler that answers with a stream. The next message is asked for only when the one before it was taken
 * by the transport, and the iterable's `return` is called as soon as the caller is gone.
 */
export function streamHandler(method: Method, handle: StreamHandler, deps: HandlerDeps) {
  return (call: ServerWritableStream<Buffer, Buffer>): void => {
    const done = recorder(method, deps);
    const context = new CallContext(call);
    pump(method, handle, call, context, deps).then(
      () => {
        context.answered();
        done('OK');
        call.end();
      },
      (thrown: unknown) => {
        const error = reasonFor(thrown, context);
        context.answered();
        done(error.code, error);
        call.emit('error', grpcStatus(error));
      },
    );
  };
}

async function respond(
  method: Method,
  handle: UnaryHandler,
  request: Buffer,
  context: RpcContext,
  deps: HandlerDeps,
): Promise<Buffer> {
  return encode(method, await handle(decode(method, request), context), deps);
}

async function pump(
  method: Method,
  handle: StreamHandler,
  call: ServerWritableStream<Buffer, Buffer>,
  context: RpcContext,
  deps: HandlerDeps,
): Promise<void> {
  const iterator = handle(decode(method, call.request), context)[Symbol.asyncIterator]();
  const gone = rejectionOf(context.signal);
  try {
    for (;;) {
      const next = await Promise.race([iterator.next(), gone.promise]);
      if (next.done === true) return;
      const bytes = encode(method, next.value, deps);
      await Promise.race([new Promise<void>((taken) => call.write(bytes, () => taken())), gone.promise]);
    }
  } catch (error) {
    iterator.return?.().catch((thrown: unknown) => {
      deps.log.warn({ method: method.path, err: thrown }, 'a stopped stream failed while it cleaned up');
    });
    throw error;
  } finally {
    gone.dispose();
  }
}

/** A promise that rejects with the signal's reason; `dispose` takes its listener off again. */
function rejectionOf(signal: AbortSignal): { promise: Promise<never>; dispose: () => void } {
  const { promise, reject } = Promise.withResolvers<never>();
  promise.catch(() => undefined);
  const onAbort = () => reject(signal.reason as Error);
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort, { once: true });
  return { promise, dispose: () => signal.removeEventListener('abort', onAbort) };
}

/** The caller's deadline passes before ours does, by the time its request took to get here, in milliseconds. */
const DEADLINE_SLACK_MS = 250;

/** The context of one call. Most handlers never ask for the signal, so it is made when they do. */
class CallContext implements RpcContext {
  readonly metadata: Metadata;
  readonly deadline: Date | undefined;
  readonly #path: string;
  #abort: AbortController | undefined;
  #reason: StatusError | undefined;
  #answered = false;

  constructor(call: AnyCall) {
    const until = call.getDeadline();
    this.metadata = call.metadata;
    this.deadline = until === Number.POSITIVE_INFINITY ? undefined : new Date(until);
    this.#path = call.getPath();
    call.once('cancelled', () => this.#cancel());
  }

  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController();
      if (this.#reason !== undefined) this.#abort.abort(this.#reason);
    }
    return this.#abort.signal;
  }

  /** Why nobody waits any more; undefined while somebody does. */
  get reason(): StatusError | undefined {
    return this.#reason;
  }

  /** From now on the end of the call means nothing: grpc-js tells it by the event of a caller that gave up. */
  answered(): void {
    this.#answered = true;
  }

  #cancel(): void {
    if (this.#answered) return;
    const late = this.deadline !== undefined && this.deadline.getTime() - DEADLINE_SLACK_MS <= Date.now();
    this.#reason = late
      ? new StatusError('DeadlineExceeded', `the deadline of ${this.#path} passed`)
      : new StatusError('Cancelled', `the caller gave up ${this.#path}`);
    this.#abort?.abort(this.#reason);
  }
}

function decode(method: Method, bytes: Buffer): object {
  try {
    return method.request.decode(bytes);
  } catch (error) {
    throw new StatusError(
      'InvalidArgument',
      `${method.path}: the request cannot be decoded: invalid argument`,
      {
        cause: error,
      },
    );
  }
}

function encode(method: Method, response: object, deps: HandlerDeps): Buffer {
  const bytes = method.response.encode(response);
  if (bytes.length <= deps.maxMessageBytes) return bytes;
  throw new StatusError(
    'ResourceExhausted',
    `${method.path}: the answer has ${bytes.length} bytes; a message may have ${deps.maxMessageBytes}`,
  );
}

/** What a handler throws because its signal was aborted counts as the abort's own reason. */
function reasonFor(thrown: unknown, { reason }: CallContext): StatusError {
  return toStatusError(reason !== undefined && !(thrown instanceof StatusError) ? reason : thrown);
}

function grpcStatus(error: StatusError): { code: number; details: string } {
  return { code: statusNumber(error.code), details: wireMessage(error.message) };
}

function recorder(
  method: Method,
  { log, observe }: HandlerDeps,
): (code: string, error?: StatusError) => void {
  const start = performance.now();
  return (code, error) => {
    const milliseconds = performance.now() - start;
    const fields = { method: method.path, code, ms: Math.round(milliseconds * 1000) / 1000 };
    if (error?.code === 'Internal') log.error({ ...fields, err: error.cause ?? error }, 'rpc failed');
    else log.debug(error === undefined ? fields : { ...fields, message: error.message }, 'rpc');
    observe({ method: method.path, code, milliseconds });
  };
}
