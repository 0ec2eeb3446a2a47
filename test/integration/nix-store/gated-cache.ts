import { createReadStream, existsSync, statSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A binary cache over loopback HTTP that a test can hold, break, and ask what it was asked. */
export class GatedCache implements AsyncDisposable {
  /** The path of every request, oldest first. */
  readonly requests: string[] = [];
  /** Answers these requests with a status instead of the file. */
  fault: ((path: string) => number | undefined) | undefined;
  /** Answers 401 to who does not show it: `user:password`. */
  login: string | undefined;
  #directory: string;
  #server: Server;
  /** Which archives wait; undefined: none. */
  #held: ((path: string) => boolean) | undefined;
  #changed = Promise.withResolvers<void>();
  #reached = Promise.withResolvers<void>();

  private constructor(directory: string) {
    this.#directory = directory;
    this.#server = createServer((request, response) => {
      void this.#answer(request.url ?? '/', request.headers.authorization, response);
    });
  }

  static async serve(directory: string): Promise<GatedCache> {
    const cache = new GatedCache(directory);
    await new Promise<void>((resolve) => cache.#server.listen(0, '127.0.0.1', resolve));
    return cache;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** How often content was fetched: each archive (nar) is one store path. */
  get fetches(): number {
    return this.requests.filter((path) => path.startsWith('/nar/')).length;
  }

  /**
   * From now on archives wait for {@link release}, or those alone that `held` takes by their path. Resolves when the first one
   * waits.
   */
  hold(held: (path: string) => boolean = () => true): Promise<void> {
    this.#reached = Promise.withResolvers();
    this.#hold(held);
    return this.#reached.promise;
  }

  release(): void {
    this.#hold(undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.release();
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #hold(held: ((path: string) => boolean) | undefined): void {
    this.#held = held;
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  async #answer(path: string, shown: string | undefined, response: ServerResponse): Promise<void> {
    this.requests.push(path);
    while (path.startsWith('/nar/') && this.#held?.(path) === true) {
      this.#reached.resolve();
      await this.#changed.promise;
    }
    const file = this.#directory + path;
    const asked =
      this.login === undefined ? undefined : `Basic ${Buffer.from(this.login).toString('base64')}`;
    const refusal = asked === shown || asked === undefined ? undefined : 401;
    const status = refusal ?? this.fault?.(path) ?? (existsSync(file) ? 200 : 404);
    if (status !== 200) {
      response.writeHead(status).end();
      return;
    }
    response.writeHead(200, { 'content-length': statSync(file).size });
    createReadStream(file).pipe(response);
  }
}
