import type { CriAuthConfig } from '../../proto/gen/messages.ts';
import { messageOf, StatusError } from '../errors.ts';
import type { Platform } from '../image/platform.ts';
import { parseReference } from '../image/reference.ts';
import { Registry } from '../image/registry.ts';
import { RegistryTransport } from '../image/registry-transport.ts';
import type { Log } from '../log.ts';
import type { RpcClient } from '../rpc/client.ts';
import { content } from '../rpc/proto.ts';
import { judgedReference } from '../store-image/judged-image.ts';
import type { Resolver } from '../store-image/resolver.ts';
import { contentBlobs } from './content-blobs.ts';
import { credentialsOf } from './credentials.ts';
import { manifestSource } from './manifest-source.ts';
import { type NamedClosures, registryClosures } from './registry-closures.ts';
import { Unreachable } from './unreachable.ts';

/** How long reading a manifest may hold up a pull; a registry that is slower is left to containerd. */
const LIMIT_MS = 10_000;

export interface ReadAheadDeps {
  readonly resolver: Pick<Resolver, 'realise'>;
  /** containerd, in the namespace of CRI. */
  readonly containerd: RpcClient;
  readonly log: Log;
}

/** Realises what an image of an ordinary registry names before containerd pulls it, which holds its lock while it unpacks a layer. */
export class ReadAhead {
  readonly #platform: Platform;
  readonly #deps: ReadAheadDeps;
  readonly #unreachable: Unreachable;

  constructor(options: { readonly platform: Platform }, deps: ReadAheadDeps) {
    this.#platform = options.platform;
    this.#deps = deps;
    this.#unreachable = new Unreachable(deps);
  }

  /**
   * @param image reference as the client wrote it.
   * @throws StatusError what realising raises, with the image named. A manifest that cannot be read stops nothing: containerd may
   *   know mirrors and certificates that we do not.
   */
  async realise(image: string, auth: CriAuthConfig | null, signal: AbortSignal): Promise<void> {
    const { resolver, log } = this.#deps;
    let closures: NamedClosures;
    try {
      closures = await this.#closures(image, auth, signal);
    } catch (error) {
      signal.throwIfAborted();
      log.debug({ image, error: messageOf(error) }, 'the manifest cannot be read ahead of containerd');
      return;
    }
    const subject = { door: 'image-service', image: judgedReference(image) } as const;
    try {
      await resolver.realise(closures.needed, signal, subject);
    } catch (error) {
      if (!(error instanceof StatusError)) throw error;
      throw new StatusError(error.code, `image ${image}: ${error.message}`, { cause: error });
    }
    try {
      await resolver.realise(closures.held, signal, subject);
    } catch (error) {
      if (signal.aborted) throw error;
      log.info({ image, error: messageOf(error) }, 'layers that hold store paths are left to containerd');
    }
  }

  async #closures(image: string, auth: CriAuthConfig | null, signal: AbortSignal): Promise<NamedClosures> {
    const reference = parseReference(image);
    const { registry } = reference;
    const limited = AbortSignal.any([signal, AbortSignal.timeout(LIMIT_MS)]);
    const transport = new RegistryTransport(
      { reference, actions: 'pull', signal: limited },
      { credentials: async () => credentialsOf(auth, registry) },
    );
    const blobs = contentBlobs(this.#deps.containerd.service(content), { signal: limited });
    const read = manifestSource(new Registry({ transport }), blobs);
    const name = reference.digest ?? reference.tag ?? 'latest';
    return await this.#unreachable.guard(
      registry,
      async () => await registryClosures(read, name, this.#platform),
      signal,
    );
  }
}
