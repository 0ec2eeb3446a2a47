import { StatusError } from '../../errors.ts';
import { saysDiskFull } from '../failure-cause.ts';
import type { LogLine } from '../log-line.ts';
import { ByteReader, StreamEnded, StreamSilent } from './byte-reader.ts';
import { type DaemonPeer, type Dialogue, handshake } from './handshake.ts';
import { logMessage } from './log-messages.ts';
import type { Operation } from './operations.ts';
import type { Transport } from './transport.ts';
import { type Decode, ProtocolError } from './wire.ts';

/** The daemon understood the request and refused or failed it; the text begins with `error:`. */
export class DaemonError extends Error {
  override readonly name = 'DaemonError';
}

export interface Limits {
  /** How long the daemon may send nothing, in milliseconds. */
  readonly silenceMs: number;
  /** How long the whole may take, in milliseconds. */
  readonly totalMs: number;
  /** How many messages of its log are taken. */
  readonly messages: number;
}

export interface RunOptions {
  /** Ends the connection, and with it the work. */
  readonly signal?: AbortSignal | undefined;
  readonly onLog?: (line: LogLine) => void;
  readonly limits?: Limits;
}

/** Questions that a daemon answers from its database; a lock may hold it up. */
const QUERY: Limits = { silenceMs: 30_000, totalMs: 60_000, messages: 100_000 };

/**
 * Work that fetches. Nix itself gives up a transfer that stalls (`stalled-download-timeout`, 5 minutes); it is silent while
 * another process fetches the same path. A message comes with each 16 KiB that arrive, so the count is beyond any closure.
 */
export const LONG: Limits = { silenceMs: 1_800_000, totalMs: 2 ** 31 - 1, messages: 1e9 };

/** A fetch of a large closure sends twenty messages a path, each written on its own. */
const FEW_MESSAGES = 100;
const GATHER_MS = 3;

/**
 * One connection to a Nix daemon; one operation at a time. After anything but success it is not to be used again:
 * nothing tells where in its stream the daemon is.
 */
export class DaemonConnection {
  readonly peer: DaemonPeer;
  readonly #transport: Transport;
  readonly #reader: ByteReader;
  #broken = false;

  private constructor(transport: Transport, reader: ByteReader, peer: DaemonPeer) {
    this.#transport = transport;
    this.#reader = reader;
    this.peer = peer;
  }

  /**
   * Greets the daemon. On failure the transport is ended.
   *
   * @throws StatusError Unavailable when it goes away or says nothing, Internal when it is no Nix daemon,
   *   FailedPrecondition when it is too old, Cancelled.
   */
  static async open(transport: Transport, options: RunOptions = {}): Promise<DaemonConnection> {
    const reader = new ByteReader(transport.input);
    return await guarded(transport, 'greeting', options, async (dialogue) => {
      const daemon = dialogue(reader);
      const peer = await handshake(daemon);
      await drainLog(daemon, options);
      return new DaemonConnection(transport, reader, peer);
    });
  }

  /** True when another operation may be sent. */
  get usable(): boolean {
    return !this.#broken && this.#reader.quiet;
  }

  /**
   * Sends the operations at once and reads their answers in order.
   *
   * @throws DaemonError what the daemon raises for one of them; StatusError as {@link open}.
   */
  async run<T>(operations: readonly Operation<T>[], options: RunOptions = {}): Promise<readonly T[]> {
    const what = operations[0]?.name ?? 'nothing';
    this.#broken = true;
    const answers = await guarded(this.#transport, what, options, async (dialogue) => {
      const daemon = dialogue(this.#reader);
      daemon.write(Buffer.concat(operations.map(({ request }) => request)));
      const results: T[] = [];
      for (const { answer } of operations) {
        await drainLog(daemon, options);
        results.push(await daemon.read(answer()));
      }
      return results;
    });
    this.#broken = false;
    return answers;
  }

  /** As {@link run}, for one operation. */
  async ask<T>(operation: Operation<T>, options: RunOptions = {}): Promise<T> {
    const [answer] = await this.run([operation], options);
    return answer as T;
  }

  /** Ends it; its temporary roots go. Resolves when nothing of it is left. */
  async close(): Promise<void> {
    const usable = this.usable;
    this.#broken = true;
    await (usable ? this.#transport.close() : this.#transport.destroy());
  }
}

/** Takes the log of one operation, up to the message that ends it. */
async function drainLog(daemon: Dialogue, { onLog, limits = QUERY }: RunOptions): Promise<void> {
  let count = 0;
  // One decoder for all messages: to wait for each of thousands would cost more than to decode it.
  const messages = function* (): Decode<void> {
    for (; count < limits.messages; count += 1) {
      const message = yield* logMessage();
      if (message === undefined) continue;
      if (message.kind === 'last') return;
      if (message.kind === 'error') throw new DaemonError(message.text);
      onLog?.(message);
    }
    throw new ProtocolError(`more than ${limits.messages} log messages without an answer`);
  };
  await daemon.read(messages(), () => (count > FEW_MESSAGES ? GATHER_MS : 0));
}

/** Runs one exchange within its limits; whatever goes wrong ends the transport and is put into words. */
async function guarded<T>(
  transport: Transport,
  what: string,
  { signal, limits = QUERY }: RunOptions,
  exchange: (dialogue: (reader: ByteReader) => Dialogue) => Promise<T>,
): Promise<T> {
  const deadline = performance.now() + limits.totalMs;
  const allowed = (): number => {
    const left = deadline - performance.now();
    if (left <= 0) throw new StreamSilent(`is not done after ${limits.totalMs} ms`);
    return Math.min(limits.silenceMs, left);
  };
  const dialogue = (reader: ByteReader): Dialogue => ({
    write: (bytes) => void transport.output.write(bytes),
    read: (decoder, gatherMs) => reader.read(decoder, allowed, gatherMs),
  });
  const stop = (): void => void transport.destroy();
  signal?.addEventListener('abort', stop, { once: true });
  try {
    signal?.throwIfAborted();
    return await exchange(dialogue);
  } catch (error) {
    await transport.destroy();
    if (signal?.aborted === true) {
      throw new StatusError(
        'Cancelled',
        `Nix daemon: ${what} was stopped because nobody waits for it any more`,
      );
    }
    throw inWords(error, transport, what);
  } finally {
    signal?.removeEventListener('abort', stop);
  }
}

function inWords(error: unknown, transport: Transport, what: string): unknown {
  const { name } = transport;
  if (error instanceof ProtocolError) {
    return new StatusError(
      'Internal',
      `Nix daemon (${name}), ${what}: ${error.message}; see whether this is a Nix daemon`,
      { cause: error },
    );
  }
  if (error instanceof StreamEnded || error instanceof StreamSilent) {
    const words = transport.lastWords();
    const how = error instanceof StreamEnded ? `the connection ${error.message}` : `it ${error.message}`;
    const full = saysDiskFull(words);
    return new StatusError(
      full ? 'ResourceExhausted' : 'Unavailable',
      `Nix daemon (${name}), ${what}: ${how}${words === '' ? '' : `; it wrote: ${words}`}; ` +
        (full ? 'the disk of the Nix store is full: free space and try again' : 'try again'),
      { cause: error },
    );
  }
  return error;
}
