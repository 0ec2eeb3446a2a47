import { setTimeout } from 'node:timers/promises';
import { messageOf, StatusError } from '../errors.ts';
import type { Credentials } from './docker-config.ts';
import { authorize, isLoopback } from './registry-auth.ts';
import { type Challenge, parseChallenge } from './registry-challenge.ts';
import type { Reference } from './reference.ts';
import { responseText } from './response-text.ts';

export interface RegistryRequest {
  readonly method: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** 1 for a request that must not be sent twice; 5 unless told. */
  readonly tries?: number;
  /** Made anew for every try. */
  readonly body?: () => Promise<NonNullable<RequestInit['body']>>;
}

export interface TransportOptions {
  readonly reference: Reference;
  /** Such as `pull,push`. */
  readonly actions: string;
  /** Plain HTTP to any host. To this machine itself it is always plain. */
  readonly plainHttp?: boolean;
  readonly signal?: AbortSignal;
}

const TRIES = 5;
const FIRST_WAIT_MS = 250;

/**
 * HTTP to one repository of a registry: scheme, authentication (once, then kept), retries with growing pauses
 * after connection failures and answers 429 and 5xx.
 */
export class RegistryTransport {
  readonly #options: TransportOptions;
  readonly #credentials: () => Promise<Credentials | undefined>;
  readonly #wait: (ms: number) => Promise<unknown>;
  readonly #base: string;
  #authorization: Promise<string> | undefined;

  /** @param deps.wait pauses between tries; milliseconds. */
  constructor(
    options: TransportOptions,
    deps: { credentials: () => Promise<Credentials | undefined>; wait?: (ms: number) => Promise<unknown> },
  ) {
    this.#options = options;
    this.#credentials = deps.credentials;
    this.#wait = deps.wait ?? ((ms) => setTimeout(ms));
    const { registry, repository } = options.reference;
    const host = registry === 'docker.io' ? 'registry-1.docker.io' : registry;
    const plain = options.plainHttp === true || isLoopback(host.replace(/:\d+$/, ''));
    this.#base = `${plain ? 'http' : 'https'}://${host}/v2/${repository}/`;
  }

  /** A URL below the repository; a `Location` header's is resolved, and refused when it drops to plain HTTP. */
  url(path: string): URL {
    const url = new URL(path, this.#base);
    if (url.protocol === 'https:' || (url.protocol === 'http:' && this.#base.startsWith('http:'))) return url;
    throw new StatusError(
      'PermissionDenied',
      `${this.#name()}: sent us to ${url.origin}, which is not https`,
    );
  }

  /**
   * Sends a request until an answer that is no reason to try again.
   *
   * @throws StatusError Unavailable when the registry cannot be reached, PermissionDenied when it refuses the login.
   */
  async send(url: URL, request: RegistryRequest): Promise<Response> {
    for (let tries = 1; ; tries++) {
      const last = tries >= (request.tries ?? TRIES);
      try {
        const response = await this.#sendAuthorized(url, request);
        if (last || (response.status !== 429 && response.status < 500)) return response;
        await response.body?.cancel();
      } catch (cause) {
        const failure = this.#failure(cause, url);
        if (failure.code !== 'Unavailable' || last || this.#options.signal?.aborted === true) throw failure;
      }
      await this.pause(tries);
    }
  }

  /** Waits after a failed try: 250 ms, then twice as long each time. */
  async pause(tries: number): Promise<void> {
    await this.#wait(FIRST_WAIT_MS * 2 ** (tries - 1));
  }

  /** The error that an answer is: names registry, repository, request, status and what the body says. */
  async error(response: Response, what: string): Promise<StatusError> {
    const body = (await responseText(response, 1000)).trim();
    const code = codeOf(response.status);
    const hint = code === 'PermissionDenied' ? ` (docker login ${this.#options.reference.registry})` : '';
    return new StatusError(code, `${this.#name()}: ${what}: status ${response.status}: ${body}${hint}`);
  }

  async #sendAuthorized(url: URL, request: RegistryRequest): Promise<Response> {
    const used = this.#authorization;
    const response = await this.#fetch(url, request, await used);
    if (response.status !== 401) return response;
    const challenge = parseChallenge(response.headers.get('www-authenticate'));
    if (challenge === undefined || url.origin !== this.#origin()) return response;
    await response.body?.cancel();
    // Requests that run side by side share one login: only the first to be refused asks for it.
    if (this.#authorization === used) {
      const login = this.#login(challenge);
      this.#authorization = login;
      login.catch(() => {
        if (this.#authorization === login) this.#authorization = undefined;
      });
    }
    return this.#fetch(url, request, await this.#authorization);
  }

  async #login(challenge: Challenge): Promise<string> {
    const { reference, actions, signal } = this.#options;
    return authorize(
      challenge,
      await this.#credentials(),
      `repository:${reference.repository}:${actions}`,
      reference.registry,
      (token) => fetch(token, signal === undefined ? {} : { signal }),
    );
  }

  async #fetch(
    url: URL,
    { method, headers, body }: RegistryRequest,
    authorization: string | undefined,
  ): Promise<Response> {
    const { signal } = this.#options;
    return fetch(url, {
      method,
      headers: {
        'user-agent': 'nix2container',
        ...headers,
        ...(authorization !== undefined && url.origin === this.#origin() ? { authorization } : {}),
      },
      ...(body === undefined ? {} : { body: await body(), duplex: 'half' }),
      ...(signal === undefined ? {} : { signal }),
    });
  }

  #origin(): string {
    return new URL(this.#base).origin;
  }

  #failure(cause: unknown, url: URL): StatusError {
    if (cause instanceof StatusError) return cause;
    const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : undefined;
    if (inner instanceof StatusError) return inner;
    const plain = url.protocol === 'https:' ? ' (a registry without TLS needs --plain-http)' : '';
    return new StatusError(
      'Unavailable',
      `${this.#name()}: cannot be reached at ${url.origin}: ${messageOf(inner ?? cause)}${plain}`,
      { cause },
    );
  }

  #name(): string {
    const { registry, repository } = this.#options.reference;
    return `registry ${registry}, repository ${repository}`;
  }
}

function codeOf(status: number): StatusError['code'] {
  if (status === 401 || status === 403) return 'PermissionDenied';
  if (status === 404) return 'NotFound';
  if (status === 413) return 'ResourceExhausted';
  return status === 429 || status >= 500 ? 'Unavailable' : 'InvalidArgument';
}
