import type { Readable } from 'node:stream';
import { setTimeout } from 'node:timers/promises';
import type { Decode } from './wire.ts';

/** Beyond so many bytes that nobody asked for yet the peer is not read any more. */
const HIGH_WATER = 256 * 1024;
const RELEASED_AT_ONCE = 1024;

/** The peer closed the stream, or it broke, before the value was whole. */
export class StreamEnded extends Error {
  override readonly name = 'StreamEnded';
}

/** No byte came within the time allowed. */
export class StreamSilent extends Error {
  override readonly name = 'StreamSilent';
}

interface Wait {
  readonly bytes: number;
  readonly done: () => void;
}

/** Feeds decoders from a stream. What is held is bounded by what a decoder asks for and {@link HIGH_WATER}. */
export class ByteReader {
  readonly #stream: Readable;
  #chunks: Buffer[] = [];
  /** The first chunk that is not taken whole, and how many bytes of it are. */
  #head = 0;
  #offset = 0;
  #length = 0;
  #ended: StreamEnded | undefined;
  #wait: Wait | undefined;

  constructor(stream: Readable) {
    this.#stream = stream;
    stream.on('data', (chunk: Buffer) => this.#add(chunk));
    stream.on('error', (cause) => this.#end(new StreamEnded(`broke off: ${cause.message}`, { cause })));
    stream.on('close', () => this.#end(new StreamEnded('was closed')));
    stream.on('end', () => this.#end(new StreamEnded('was closed')));
  }

  /** True while nothing has ended the stream and no byte waits that nobody asked for. */
  get quiet(): boolean {
    return this.#ended === undefined && this.#length === 0;
  }

  /**
   * Runs one decoder.
   *
   * @param allowed milliseconds that the peer may be silent at this moment.
   * @param gatherMs how long bytes are let come together before more are taken, in milliseconds: a peer that sends many small
   *   messages would wake us for each.
   * @throws StreamEnded, StreamSilent, and what the decoder raises.
   */
  async read<T>(decoder: Decode<T>, allowed: () => number, gatherMs = () => 0): Promise<T> {
    let step = decoder.next();
    while (step.done !== true) {
      if (this.#length < step.value) {
        const gathering = gatherMs();
        if (gathering > 0) await this.#gather(gathering);
        await this.#fill(step.value, allowed);
      }
      step = decoder.next(this.#take(step.value));
    }
    return step.value;
  }

  #add(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
    this.#wake();
    if (this.#wait === undefined && this.#length > HIGH_WATER) this.#stream.pause();
  }

  #end(why: StreamEnded): void {
    this.#ended ??= why;
    this.#wait?.done();
  }

  #wake(): void {
    if (this.#wait !== undefined && this.#length >= this.#wait.bytes) this.#wait.done();
  }

  async #gather(milliseconds: number): Promise<void> {
    this.#stream.pause();
    await setTimeout(milliseconds);
    this.#stream.resume();
  }

  /** Each chunk that comes starts the allowed silence anew. */
  async #fill(bytes: number, allowed: () => number): Promise<void> {
    while (this.#length < bytes) {
      if (this.#ended !== undefined) throw this.#ended;
      const before = this.#length;
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = globalThis.setTimeout(resolve, allowed());
      this.#wait = { bytes, done: resolve };
      this.#stream.resume();
      await promise;
      clearTimeout(timer);
      this.#wait = undefined;
      if (this.#length === before && this.#ended === undefined) throw new StreamSilent('says nothing');
    }
  }

  #take(bytes: number): Buffer {
    this.#length -= bytes;
    const first = this.#chunks[this.#head];
    if (first !== undefined && first.length - this.#offset >= bytes) {
      const taken = first.subarray(this.#offset, this.#offset + bytes);
      this.#advance(bytes);
      return taken;
    }
    const taken = Buffer.allocUnsafe(bytes);
    for (let filled = 0; filled < bytes; ) {
      const copied = this.#chunks[this.#head]?.copy(taken, filled, this.#offset) ?? 0;
      filled += copied;
      this.#advance(copied);
    }
    return taken;
  }

  /** Chunks that are taken are let go many at a time: one by one would copy the list again and again. */
  #advance(bytes: number): void {
    this.#offset += bytes;
    if (this.#offset < (this.#chunks[this.#head]?.length ?? 0)) return;
    this.#offset = 0;
    this.#head += 1;
    if (this.#head < this.#chunks.length && this.#head < RELEASED_AT_ONCE) return;
    this.#chunks = this.#chunks.slice(this.#head);
    this.#head = 0;
  }
}
