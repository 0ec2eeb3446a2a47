import { parseStorePath, type StorePath } from '../../closure/store-path.ts';

/**
 * Reads one value: yields how many bytes it needs next and is given exactly those. A decoder does no input itself, so that
 * it runs without waiting while bytes are there, and is tested without a connection.
 */
export type Decode<T> = Generator<number, T, Buffer>;

/** The peer does not speak the protocol; whatever it sends next cannot be understood. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';
}

/** Longest log text or error message that is taken, in bytes. */
export const MAX_MESSAGE = 4 * 1024 * 1024;
/** Longest name, hash or signature. */
const MAX_TEXT = 64 * 1024;
/** A store path has at most 255 bytes; see `store-path.ts`. */
const MAX_STORE_PATH = 255;
/** Most store paths in one set: ten of the largest system closures. */
const MAX_SET = 100_000;

/**
 * The unsigned number of 8 bytes at an offset, little-endian: a count, version, flag or enumeration. What is beyond `max` is a
 * broken peer. Source: nix `src/libutil/serialise.cc`.
 */
export function numberAt(bytes: Buffer, offset: number, what: string, max = Number.MAX_SAFE_INTEGER): number {
  const value = amountAt(bytes, offset);
  if (value > max) throw new ProtocolError(`${what} is ${value}, at most ${max} is expected`);
  return value;
}

/** As {@link numberAt}, of any size; beyond 2^53 the last digits are lost. */
export function amountAt(bytes: Buffer, offset: number): number {
  return bytes.readUInt32LE(offset + 4) * 2 ** 32 + bytes.readUInt32LE(offset);
}

export function* integer(what: string, max?: number): Decode<number> {
  return numberAt(yield 8, 0, what, max);
}

/** A number that nothing is done with. */
export function* skipNumber(): Decode<void> {
  yield 8;
}

export function* boolean(what: string): Decode<boolean> {
  return (yield* integer(what, 1)) === 1;
}

/** A string: its length, its bytes (taken as UTF-8), zeros up to the next multiple of 8. */
export function* text(what: string, max = MAX_TEXT): Decode<string> {
  return yield* textOf(yield* integer(`length of ${what}`, max), what);
}

/** What follows the length of a string. */
export function* textOf(length: number, what: string): Decode<string> {
  if (length === 0) return '';
  const padded = yield Math.ceil(length / 8) * 8;
  for (let at = length; at < padded.length; at += 1) {
    if (padded[at] !== 0) throw new ProtocolError(`${what} is padded with ${padded[at]}, not with zero`);
  }
  return padded.toString('utf8', 0, length);
}

/** A set or list: the number of its items, then each. */
export function* list<T>(what: string, item: () => Decode<T>, max = MAX_SET): Decode<readonly T[]> {
  const count = yield* integer(`number of ${what}`, max);
  const items: T[] = [];
  while (items.length < count) items.push(yield* item());
  return items;
}

export function* storePath(): Decode<StorePath> {
  const name = yield* text('a store path', MAX_STORE_PATH);
  const path = parseStorePath(name);
  if (path === undefined) throw new ProtocolError(`${JSON.stringify(name)} is not a store path`);
  return path;
}

export function storePaths(): Decode<readonly StorePath[]> {
  return list('store paths', storePath);
}

/** Collects a request. */
export class WireWriter {
  readonly #parts: Buffer[] = [];

  u64(value: number | bigint | boolean): this {
    const part = Buffer.alloc(8);
    part.writeBigUInt64LE(BigInt(value));
    this.#parts.push(part);
    return this;
  }

  text(value: string): this {
    const length = Buffer.byteLength(value);
    const part = Buffer.alloc(8 + Math.ceil(length / 8) * 8);
    part.writeBigUInt64LE(BigInt(length));
    part.write(value, 8, 'utf8');
    this.#parts.push(part);
    return this;
  }

  texts(values: readonly string[]): this {
    this.u64(values.length);
    for (const value of values) this.text(value);
    return this;
  }

  /** One frame and the empty one that ends a framed stream; frames are not padded. */
  framed(content: Buffer): this {
    if (content.length > 0) {
      this.u64(content.length);
      this.#parts.push(content);
    }
    return this.u64(0);
  }

  bytes(): Buffer {
    return Buffer.concat(this.#parts);
  }
}
