import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { messageOf, StatusError } from '../errors.ts';
import { MEDIA, sha256 } from '../image/descriptor.ts';
import type { Log } from '../log.ts';
import { showsToken } from './access-token.ts';
import type { ImageLease } from '../store-image/image-cache.ts';
import { ociError } from './oci-error.ts';
import { isDigest, parseWanted, type Wanted } from '../store-image/reference.ts';
import { RecentTags } from './recent-tags.ts';
import { type ResolverRequest, tellEnd } from './requests.ts';
import { parseRoute, type Route } from './route.ts';
import type { ServedBlob } from '../store-image/served-image.ts';
import { sendBlob, sendJson, sendPlaceholder } from './send.ts';
import { ToldLater } from './told-later.ts';
import { inTurn, TURN_MS, type TurnTimes } from './turns.ts';

export interface RegistryServerOptions {
  /** A loopback address. */
  readonly host: string;
  /** 0 takes any that is free. */
  readonly port: number;
  readonly token: string;
  /** How long a client may take to send a request, in milliseconds. */
  readonly requestTimeoutMs?: number;
  /** How long a pull waits for an image, in milliseconds. */
  readonly deadlineMs: number;
  /** How long a client is let wait before it has to ask again, in milliseconds. */
  readonly turnMs?: number;
}

/** Finds the image of a reference. */
interface Images {
  resolve(wanted: Wanted, signal: AbortSignal, asking: { readonly deadlineMs: number }): Promise<ImageLease>;
}

export interface RegistryServerDeps {
  readonly resolver: Images;
  /** The same images with ordinary layers, in repositories below `layers/`. */
  readonly layers: Images;
  readonly log: Log;
  /** Told of each request that has ended. */
  readonly observe?: ((request: ResolverRequest) => void) | undefined;
}

/** A node runs some tens of pulls at a time; each holds a connection while Nix works. */
const MAX_CONNECTIONS = 512;
const MAX_HEADER_BYTES = 16 * 1024;
const REQUEST_TIMEOUT_MS = 10_000;
/** How late a slow client is noticed. */
const CHECK_MS = 1000;
/** Repositories for clients whose host has no snapshotter of ours. */
const LAYERS = 'layers/';
/** A path has any tag that somebody writes; clients that list tags (`skopeo inspect`) are told the one that stands for none. */
const NO_TAG = 'latest';

/**
 * The pull side of an OCI registry (OCI distribution specification 1.1) whose repositories are store paths. Listens on
 * loopback only, and answers only who shows the token.
 */
export class RegistryServer implements AsyncDisposable {
  readonly #server: Server;
  readonly #token: string;
  readonly #times: TurnTimes;
  readonly #toldLater = new ToldLater();
  readonly #recentTags = new RecentTags();
  readonly #deps: RegistryServerDeps;

  private constructor(
    { token, requestTimeoutMs = REQUEST_TIMEOUT_MS, turnMs = TURN_MS, deadlineMs }: RegistryServerOptions,
    deps: RegistryServerDeps,
  ) {
    this.#token = token;
    this.#times = { turnMs, deadlineMs };
    this.#deps = deps;
    this.#server = createServer(
      {
        maxHeaderSize: MAX_HEADER_BYTES,
        headersTimeout: requestTimeoutMs,
        requestTimeout: requestTimeoutMs,
        connectionsCheckingInterval: Math.min(CHECK_MS, requestTimeoutMs),
      },
      (request, response) => void this.#answer(request, response),
    );
    this.#server.maxConnections = MAX_CONNECTIONS;
  }

  /** @throws StatusError FailedPrecondition when the address cannot be listened on. */
  static async listen(options: RegistryServerOptions, deps: RegistryServerDeps): Promise<RegistryServer> {
    const { host, port } = options;
    const registry = new RegistryServer(options, deps);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    registry.#server.once('error', reject).listen(port, host, resolve);
    try {
      await promise;
      registry.#server.off('error', reject).on('error', (error) => {
        deps.log.warn({ error: messageOf(error) }, 'the resolver cannot accept a connection');
      });
    } catch (cause) {
      throw new StatusError(
        'FailedPrecondition',
        `resolver: cannot listen on ${host}:${port}: ${messageOf(cause)}; choose another resolver.address`,
        { cause },
      );
    }
    return registry;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { observe } = this.#deps;
    if (observe !== undefined) tellEnd(request, response, observe);
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    try {
      if (!showsToken(request.headers.authorization, this.#token)) {
        refuse(request, response);
        return;
      }
      await this.#route(parseRoute(request), request, response, gone.signal);
    } catch (error) {
      this.#fail(error, request, response);
    }
  }

  async #route(
    route: Route,
    request: IncomingMessage,
    response: ServerResponse,
    signal: AbortSignal,
  ): Promise<void> {
    switch (route.kind) {
      case 'base':
        sendJson(response, 200, {});
        return;
      case 'referrers':
        sendJson(
          response,
          200,
          { schemaVersion: 2, mediaType: MEDIA.ociIndex, manifests: [] },
          MEDIA.ociIndex,
        );
        return;
      case 'tags':
        wantedOf(route.repository, NO_TAG);
        sendJson(response, 200, { name: route.repository, tags: [NO_TAG] });
        return;
      case 'manifest':
        await this.#manifest(route, request, response, signal);
        return;
      case 'blob': {
        using lease = await this.#resolve(route.repository, route.digest, signal);
        const blob = blobOf(lease, route.digest, 'BLOB');
        response.setHeader('Docker-Content-Digest', route.digest);
        await sendBlob(request, response, blob, 'application/octet-stream');
      }
    }
  }

  async #manifest(
    { repository, reference }: Extract<Route, { kind: 'manifest' }>,
    request: IncomingMessage,
    response: ServerResponse,
    signal: AbortSignal,
  ): Promise<void> {
    const told = this.#toldLater.take(`${repository}@${reference}`);
    if (told !== undefined && request.method === 'GET') throw explained(told);
    try {
      const found = await inTurn(
        request.url ?? '',
        signal,
        async (waiting, leftMs) => await this.#resolve(repository, reference, waiting, leftMs),
        this.#times,
      );
      if ('location' in found) {
        response.writeHead(307, { Location: found.location, 'Content-Length': 0 }).end();
        return;
      }
      using lease = found;
      if (!isDigest(reference)) this.#recentTags.remember(repository, reference, lease.image.blobs.keys());
      const blob = isDigest(reference) ? blobOf(lease, reference, 'MANIFEST') : lease.image.target;
      response.setHeader('Docker-Content-Digest', blob.descriptor.digest);
      await sendBlob(request, response, blob, blob.descriptor.mediaType);
    } catch (error) {
      if (request.method !== 'HEAD' || response.headersSent || signal.aborted) throw error;
      this.#deps.log.warn({ repository, reference, error: messageOf(error) }, 'an image is refused');
      this.#tellLater(error, repository, reference, response);
    }
  }

  async #resolve(
    repository: string,
    asked: string,
    signal: AbortSignal,
    deadlineMs = this.#times.deadlineMs,
  ): Promise<ImageLease> {
    const { resolver, layers } = this.#deps;
    const reference = this.#recentTags.tagOf(repository, asked) ?? asked;
    const images = repository.startsWith(LAYERS) ? layers : resolver;
    return await images.resolve(wantedOf(repository, reference), signal, { deadlineMs });
  }

  /**
   * Clients throw away the body of a failed HEAD, so that nobody would see why. So HEAD finds a manifest whose digest stands for
   * the error, and the GET of it fails with the text.
   */
  #tellLater(error: unknown, repository: string, reference: string, response: ServerResponse): void {
    const { body } = ociError(error);
    const digest = isDigest(reference) ? reference : sha256(body);
    this.#toldLater.put(`${repository}@${digest}`, error);
    sendPlaceholder(response, digest, body.length);
  }

  #fail(error: unknown, request: IncomingMessage, response: ServerResponse): void {
    const { log } = this.#deps;
    const fields = { method: request.method, url: request.url, error: messageOf(error) };
    if (response.headersSent) {
      log.warn(fields, 'the answer of the resolver was broken off');
      response.destroy();
      return;
    }
    const isBlob = request.url?.includes('/blobs/') === true;
    const { status, body } = ociError(error, isBlob ? 'BLOB_UNKNOWN' : 'MANIFEST_UNKNOWN');
    if (status >= 500) log.warn(fields, 'the resolver failed');
    else log.debug(fields, 'the resolver refused');
    response.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': body.length });
    response.end(request.method === 'HEAD' ? undefined : body);
  }
}

/**
 * Answers who does not show the token: by a challenge, which makes a client ask for it or send it (OCI distribution
 * specification, "Errors"). What clients say of a challenge hides its text, so a wrong bearer, as of an outdated hosts.toml, is
 * answered as an image that is refused. Nothing is looked up or remembered for such a request.
 */
function refuse(request: IncomingMessage, response: ServerResponse): void {
  if (!/^bearer /i.test(request.headers.authorization ?? '')) {
    response.setHeader('WWW-Authenticate', 'Basic realm="nix-snapshotter"');
    sendJson(response, 401, { errors: [{ code: 'UNAUTHORIZED', message: UNAUTHORIZED }] });
    return;
  }
  const route = parseRoute(request);
  if (request.method !== 'HEAD' || route.kind !== 'manifest') {
    const what = route.kind === 'base' ? '' : `${request.url?.slice('/v2/'.length).split('?', 1)[0]}: `;
    throw new StatusError('PermissionDenied', `${what}${WRONG_TOKEN}`);
  }
  const digest = isDigest(route.reference) ? route.reference : sha256(Buffer.from(WRONG_TOKEN));
  sendPlaceholder(response, digest, WRONG_TOKEN.length);
}

const WRONG_TOKEN =
  'the token of the resolver is wrong: copy the one in resolver-token below the root of nix-snapshotter into hosts.toml';
const UNAUTHORIZED =
  'the token of the resolver is missing or wrong: it is in resolver-token below the root of nix-snapshotter; ' +
  'put it into hosts.toml, or log in with it as password';

/** containerd and dockerd show nothing of a 404 but "not found". */
function explained(told: unknown): unknown {
  if (!(told instanceof StatusError) || told.code !== 'NotFound') return told;
  return new StatusError('FailedPrecondition', told.message, { cause: told });
}

function wantedOf(repository: string, reference: string): Wanted {
  return parseWanted(repository.startsWith(LAYERS) ? repository.slice(LAYERS.length) : repository, reference);
}

function blobOf({ image }: ImageLease, digest: string, what: 'BLOB' | 'MANIFEST'): ServedBlob {
  const blob = image.blobs.get(digest);
  if (blob !== undefined) return blob;
  throw new StatusError(
    'NotFound',
    `${what.toLowerCase()} ${digest} is not part of this image, whose manifest is ${image.target.descriptor.digest}`,
  );
}
