import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { messageOf, StatusError } from '../errors.ts';
import type { Log } from '../log.ts';
import { listen } from '../rpc/socket.ts';
import { type ExpositionFormat, formatFor, MEDIA_TYPES } from './exposition.ts';

/** Where the server listens: port 0 takes any that is free. */
export type MetricsEndpoint = { readonly path: string } | { readonly host: string; readonly port: number };

export interface MetricsServerOptions {
  readonly endpoint: MetricsEndpoint;
  /** How long a client may take to send a request, in milliseconds. */
  readonly requestTimeoutMs?: number;
}

export interface MetricsServerDeps {
  readonly scrape: (format: ExpositionFormat) => Promise<string>;
  /** Why the daemon is not ready; undefined when it is. */
  readonly whyNotReady: () => Promise<string | undefined>;
  readonly log: Log;
}

/** A handful of Prometheus servers and probes. */
const MAX_CONNECTIONS = 32;
const MAX_HEADER_BYTES = 8 * 1024;
const REQUEST_TIMEOUT_MS = 5000;
/** How late a slow client is noticed. */
const CHECK_MS = 1000;
/** How long a connection may be silent between scrapes; Prometheus opens another then. */
const IDLE_MS = 120_000;

/** HTTP server of metrics and probes. Whoever reaches it may read, and do nothing else. */
export class MetricsServer implements AsyncDisposable {
  readonly #server: Server;
  readonly #deps: MetricsServerDeps;
  #unlink: () => Promise<void> = async () => undefined;

  private constructor(requestTimeoutMs: number, deps: MetricsServerDeps) {
    this.#deps = deps;
    this.#server = createServer(
      {
        maxHeaderSize: MAX_HEADER_BYTES,
        headersTimeout: requestTimeoutMs,
        requestTimeout: requestTimeoutMs,
        keepAliveTimeout: IDLE_MS,
        connectionsCheckingInterval: Math.min(CHECK_MS, requestTimeoutMs),
      },
      (request, response) => void this.#answer(request, response),
    );
    this.#server.maxConnections = MAX_CONNECTIONS;
    // A client that does not read what it asked for.
    this.#server.setTimeout(IDLE_MS);
  }

  /** @throws StatusError FailedPrecondition, or InvalidArgument, when the address cannot be listened on. */
  static async listen(options: MetricsServerOptions, deps: MetricsServerDeps): Promise<MetricsServer> {
    const { endpoint, requestTimeoutMs = REQUEST_TIMEOUT_MS } = options;
    const metrics = new MetricsServer(requestTimeoutMs, deps);
    await metrics.#listen(endpoint);
    metrics.#server.on('error', (error) => {
      deps.log.warn({ error: messageOf(error) }, 'the metrics server cannot accept a connection');
    });
    return metrics;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await this.#unlink();
    await closed;
  }

  async #listen(endpoint: MetricsEndpoint): Promise<void> {
    const name = 'path' in endpoint ? endpoint.path : `${endpoint.host}:${endpoint.port}`;
    try {
      if ('path' in endpoint) {
        this.#unlink = await listen(this.#server, endpoint);
        return;
      }
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      this.#server.once('error', reject).listen(endpoint.port, endpoint.host, resolve);
      await promise;
      this.#server.off('error', reject);
    } catch (cause) {
      const another = 'choose another metrics.address';
      // Of a unix socket the next step is told already, as for the daemon's own.
      const said = messageOf(cause).replace('choose another --address', another);
      throw new StatusError(
        cause instanceof StatusError ? cause.code : 'FailedPrecondition',
        `metrics: cannot listen on ${name}: ${said.endsWith(another) ? said : `${said}; ${another}`}`,
        { cause },
      );
    }
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      if (request.method !== 'GET' && request.method !== 'HEAD') {
        response.setHeader('Allow', 'GET, HEAD');
        send(response, 405, 'only GET and HEAD are answered\n');
        return;
      }
      await this.#get(request, response);
    } catch (error) {
      this.#deps.log.warn({ url: request.url, error: messageOf(error) }, 'a scrape failed');
      send(response, 500, 'metrics cannot be read, see the log of nix-snapshotter\n');
    }
  }

  async #get({ url = '', headers }: IncomingMessage, response: ServerResponse): Promise<void> {
    switch (url.split('?', 1)[0]) {
      case '/metrics': {
        const format = formatFor(headers.accept);
        send(response, 200, await this.#deps.scrape(format), MEDIA_TYPES[format]);
        return;
      }
      case '/healthz': {
        const reason = await this.#deps.whyNotReady();
        send(response, reason === undefined ? 200 : 503, reason === undefined ? 'ok\n' : `${reason}\n`);
        return;
      }
      case '/livez':
        send(response, 200, 'ok\n');
        return;
      default:
        send(response, 404, 'there is /metrics, /healthz and /livez\n');
    }
  }
}

/** What a HEAD asked for is left out by the server itself. */
function send(
  response: ServerResponse,
  status: number,
  text: string,
  type = 'text/plain; charset=utf-8',
): void {
  const body = Buffer.from(text);
  response.writeHead(status, {
    'Content-Type': type,
    'Content-Length': body.length,
    'X-Content-Type-Options': 'nosniff',
  });
  response.end(body);
}
