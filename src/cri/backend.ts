import type { CriImage, ImageServiceMethods } from '../../proto/gen/messages.ts';
import { StatusError } from '../errors.ts';
import { type CallOptions, createRpcClient, type RpcClient, type ServiceClient } from '../rpc/client.ts';
import { forwardedMetadata } from '../rpc/forwarded-metadata.ts';
import type { RpcContext } from '../rpc/handler.ts';
import { raw, type RawMethods } from '../rpc/raw.ts';
import { imageService } from './proto.ts';

/** Metadata that goes on to containerd: where a trace belongs (W3C Trace Context). */
const FORWARDED_METADATA = ['traceparent', 'tracestate'];
/** What containerd's CRI answers until it has read its state; 1.7 does so with status Unknown. */
const NOT_INITIALIZED = 'server is not initialized yet';

type UnaryMethod = Exclude<keyof ImageServiceMethods, 'StreamImages'>;

/**
 * containerd's own image service. Connects at the first call, and again when containerd was away; every failure to reach it is
 * Unavailable and names the socket.
 */
export class ImageBackend implements Disposable {
  readonly #address: string;
  readonly #client: RpcClient;
  readonly #raw: ServiceClient<RawMethods<ImageServiceMethods>>;
  readonly #typed: ServiceClient<ImageServiceMethods>;

  /** @param options.address containerd's socket. */
  constructor({ address }: { readonly address: string }) {
    this.#address = address;
    this.#client = createRpcClient({ address });
    this.#raw = this.#client.service(raw(imageService));
    this.#typed = this.#client.service(imageService);
  }

  /** Hands a request on as it is. */
  async forward(method: UnaryMethod, request: Buffer, context: RpcContext): Promise<Buffer> {
    try {
      return await this.#raw[method](request, callOptions(context));
    } catch (error) {
      throw this.explain(error);
    }
  }

  /** Hands a request for a stream on as it is. */
  async *forwardStream(request: Buffer, context: RpcContext): AsyncGenerator<Buffer> {
    try {
      yield* this.#raw.StreamImages(request, callOptions(context));
    } catch (error) {
      throw this.explain(error);
    }
  }

  /** An image as CRI has it, by name or id; undefined when it has none. */
  async status(image: string, call: CallOptions): Promise<CriImage | undefined> {
    try {
      return (await this.#typed.ImageStatus({ image: { image } }, call)).image ?? undefined;
    } catch (error) {
      throw this.explain(error);
    }
  }

  /** An error of any service of containerd, with what a reader of it has to know. */
  explain(error: unknown): unknown {
    if (!(error instanceof StatusError)) return error;
    const { code, message } = error;
    const where = `containerd at ${this.#address}`;
    if (message.startsWith(where)) return error;
    if (code === 'Unavailable' || message.includes(NOT_INITIALIZED)) {
      return new StatusError('Unavailable', `${where}: ${message}`, { cause: error });
    }
    if (code === 'Unimplemented' && message.includes(`unknown service ${imageService.name}`)) {
      return new StatusError(code, `${where}: ${message}: its CRI plugin is disabled`, { cause: error });
    }
    return error;
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }
}

function callOptions({ signal, deadline, metadata }: RpcContext): CallOptions {
  return {
    signal,
    ...(deadline === undefined ? {} : { timeoutMs: deadline.getTime() - Date.now() }),
    metadata: forwardedMetadata(metadata, FORWARDED_METADATA),
  };
}
