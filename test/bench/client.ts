import { createConnection, type Socket } from 'node:net';
import { createInterface } from 'node:readline';

/** A snapshotter's socket with the committed snapshot that containers are prepared on; paths inside the node. */
export interface Server {
  readonly name: string;
  readonly socket: string;
  readonly parent: string;
}

export interface Executed {
  readonly milliseconds: number;
  /** When the last of the programs wrote its first byte, in milliseconds. */
  readonly firstByte: number;
}

interface Duration {
  readonly milliseconds: number;
}

/** Medians of rounds in milliseconds, by method, by server. */
export type Latencies = Readonly<Record<string, Readonly<Record<string, readonly number[]>>>>;

/**
 * The Go program `bench-client`, which does what is measured and times it: no start of a program and nothing of
 * Node's is part of a figure. What each call does: `test/bench/go`.
 */
export class BenchClient {
  readonly #connection: Socket;
  readonly #answers: AsyncIterator<string>;

  private constructor(connection: Socket) {
    this.#connection = connection;
    this.#answers = createInterface({ input: connection })[Symbol.asyncIterator]();
  }

  /** @param socket as the host sees it. */
  static async connect(socket: string): Promise<BenchClient> {
    const connection = createConnection(socket);
    await new Promise<void>((resolve, reject) => {
      connection.once('connect', resolve).once('error', reject);
    });
    return new BenchClient(connection);
  }

  /** Runs programs at the same time; each must succeed and write something. */
  exec(commands: readonly (readonly string[])[]): Promise<Executed> {
    return this.#ask('exec', { commands });
  }

  load(request: {
    readonly containerd: string;
    readonly namespace: string;
    readonly snapshotter: string;
    readonly archive: string;
  }): Promise<Duration> {
    return this.#ask('load', request);
  }

  unload(request: { readonly containerd: string; readonly namespace: string }): Promise<Duration> {
    return this.#ask('unload', request);
  }

  layer(request: {
    readonly socket: string;
    readonly name: string;
    readonly parent: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly directories: readonly string[];
  }): Promise<Duration> {
    return this.#ask('layer', request);
  }

  latency(request: {
    readonly servers: readonly Server[];
    readonly rounds: number;
    readonly calls: number;
  }): Promise<Latencies> {
    return this.#ask('latency', request);
  }

  throughput(
    request: Server & { readonly workers: number; readonly milliseconds: number },
  ): Promise<Readonly<Record<string, number>>> {
    return this.#ask('throughput', request);
  }

  populate(request: Server & { readonly from: number; readonly to: number }): Promise<Duration> {
    return this.#ask('populate', request);
  }

  calls(request: Server & { readonly calls: number }): Promise<Duration> {
    return this.#ask('calls', request);
  }

  startup(request: { readonly command: readonly string[]; readonly socket: string }): Promise<Duration> {
    return this.#ask('startup', request);
  }

  /** Connects to a Nix daemon and waits for its greeting. */
  greet(request: { readonly socket: string }): Promise<Duration> {
    return this.#ask('greet', request);
  }

  /** Reads files over HTTP, so many at once, and throws them away. */
  fetch(request: { readonly urls: readonly string[]; readonly connections: number }): Promise<Duration> {
    return this.#ask('fetch', request);
  }

  close(): void {
    this.#connection.destroy();
  }

  async #ask<T>(op: string, request: object): Promise<T> {
    this.#connection.write(`${JSON.stringify({ op, ...request })}\n`);
    const line = await this.#answers.next();
    if (line.done === true) throw new Error(`bench-client ended during ${op}: see its log in the node`);
    const { result, error } = JSON.parse(line.value) as { result: T; error?: string };
    if (error !== undefined) throw new Error(error);
    return result;
  }
}
