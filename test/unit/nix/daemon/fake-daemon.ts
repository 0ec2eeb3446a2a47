import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ByteReader } from '../../../../src/nix/daemon/byte-reader.ts';
import {
  type Decode,
  integer,
  list,
  ProtocolError,
  text,
  WireWriter,
} from '../../../../src/nix/daemon/wire.ts';

/** Numbers of the protocol as a daemon sends them; nix `worker-protocol.hh`. */
export const SERVER_MAGIC = 0x6478696f;
export const LAST = 0x616c7473;
export const NEXT = 0x6f6c6d67;
export const ERROR = 0x63787470;
export const START = 0x53545254;

/** What a daemon of protocol 1.38 sends before the first operation. */
export function greeting(): WireWriter {
  return new WireWriter().u64(SERVER_MAGIC).u64(0x126).texts([]).text('2.99-test').u64(1).u64(LAST);
}

/** An error as daemons since protocol 1.26 send it. */
export function errorMessage(message: string): WireWriter {
  return new WireWriter().u64(ERROR).text('Error').u64(0).text('Error').text(message).u64(0).u64(0);
}

/** Answers whether paths are valid, as a proper daemon does; whatever else it is asked ends the connection. */
export async function answerValidity(client: Socket, valid: ReadonlySet<string>): Promise<void> {
  const reader = new ByteReader(client);
  client.write(greeting().bytes());
  try {
    await reader.read(clientGreeting(), () => 10_000);
    for (;;) {
      const path = await reader.read(validityQuestion(), () => 10_000);
      client.write(new WireWriter().u64(LAST).u64(valid.has(path)).bytes());
    }
  } catch {
    client.destroy();
  }
}

function* clientGreeting(): Decode<void> {
  yield 16;
  yield* list('features', () => text('a feature'));
  yield 16;
}

function* validityQuestion(): Decode<string> {
  const operation = yield* integer('an operation');
  if (operation !== 1) throw new ProtocolError(`operation ${operation}`);
  return yield* text('a path');
}

/** Listens on a unix socket and does with each client what it is told. */
export class FakeDaemon implements AsyncDisposable {
  readonly path: string;
  /** How many clients came so far. */
  clients = 0;
  readonly #directory: string;
  readonly #server;
  readonly #sockets = new Set<Socket>();

  private constructor(serve: (client: Socket) => void) {
    this.#directory = mkdtempSync(join(tmpdir(), 'fake-daemon-'));
    this.path = join(this.#directory, 'socket');
    this.#server = createServer((client) => {
      this.clients += 1;
      this.#sockets.add(client);
      client.on('error', () => client.destroy());
      client.on('close', () => this.#sockets.delete(client));
      serve(client);
    });
  }

  static async start(serve: (client: Socket) => void): Promise<FakeDaemon> {
    const daemon = new FakeDaemon(serve);
    await new Promise<void>((resolve) => daemon.#server.listen(daemon.path, resolve));
    return daemon;
  }

  /** Sends these bytes to each client whatever it says, then nothing more; ends the connection when told. */
  static sending(bytes: Buffer, { end = true }: { readonly end?: boolean } = {}): Promise<FakeDaemon> {
    return FakeDaemon.start((client) => {
      client.resume();
      client.write(bytes);
      if (end) client.end();
    });
  }

  /** Ends every connection, as a restart does. */
  dropClients(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.dropClients();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
