import { createHash } from 'node:crypto';
import { Transform, type TransformCallback, Writable } from 'node:stream';
import { StatusError } from '../errors.ts';
import type { Descriptor } from './descriptor.ts';

/** Passes bytes on and counts and hashes (sha256) them; the results are there once the stream has ended. */
export class Digester extends Transform {
  size = 0;
  readonly #hash = createHash('sha256');

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.size += chunk.length;
    this.#hash.update(chunk);
    done(null, chunk);
  }

  /** Call once, after the end. */
  digest(): string {
    return `sha256:${this.#hash.digest('hex')}`;
  }
}

/**
 * Passes bytes on and fails with StatusError DataLoss, naming `where`, when they are not what the descriptor
 * says: too long as soon as they are, too short or of another digest at the end. The last chunk is held back until
 * the whole is known to be right: who counts bytes never has them all of a wrong blob.
 */
export class Verifier extends Transform {
  readonly #where: string;
  readonly #descriptor: Descriptor;
  readonly #hash;
  #size = 0;
  #last: Buffer | undefined;

  constructor(descriptor: Descriptor, where: string) {
    super();
    this.#where = where;
    this.#descriptor = descriptor;
    this.#hash = createHash(descriptor.digest.slice(0, descriptor.digest.indexOf(':')));
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#size += chunk.length;
    if (this.#size > this.#descriptor.size) {
      done(this.#mismatch(`holds more than the ${this.#descriptor.size} bytes its descriptor says`));
      return;
    }
    this.#hash.update(chunk);
    const before = this.#last;
    this.#last = chunk;
    done(null, before);
  }

  override _flush(done: TransformCallback): void {
    if (this.#size !== this.#descriptor.size) {
      done(this.#mismatch(`holds ${this.#size} bytes, its descriptor says ${this.#descriptor.size}`));
      return;
    }
    const algorithm = this.#descriptor.digest.slice(0, this.#descriptor.digest.indexOf(':'));
    const found = `${algorithm}:${this.#hash.digest('hex')}`;
    if (found === this.#descriptor.digest) done(null, this.#last);
    else done(this.#mismatch(`has digest ${found}`));
  }

  #mismatch(what: string): StatusError {
    return new StatusError('DataLoss', `${this.#where}: blob ${this.#descriptor.digest} ${what}`);
  }
}

/** Takes bytes and drops them. */
export function nowhere(): Writable {
  return new Writable({ write: (_chunk, _encoding, done) => done() });
}
