import type { Readable } from 'node:stream';
import { StatusError } from '../errors.ts';

/** Named files inside an archive or a directory. Names are looked up, never used to write anything. */
export interface FileSet extends AsyncDisposable {
  /** The archive or directory, for messages. */
  readonly path: string;
  /** Size in bytes, or undefined when there is no such regular file. */
  size(name: string): Promise<number | undefined>;
  /** Streams a file, from byte `start` on. @throws StatusError NotFound naming archive and entry. */
  open(name: string, start?: number): Promise<Readable>;
}

/**
 * A whole small file.
 *
 * @param limit largest size in bytes.
 * @throws StatusError NotFound when absent, ResourceExhausted when larger than `limit`; both name archive and entry.
 */
export async function readSmall(files: FileSet, name: string, limit: number): Promise<Buffer> {
  const size = await files.size(name);
  if (size === undefined) throw missing(files.path, name);
  if (size > limit) {
    throw new StatusError(
      'ResourceExhausted',
      `${files.path}: entry ${name} is ${size} bytes, more than ${limit}`,
    );
  }
  const chunks: Buffer[] = [];
  for await (const chunk of await files.open(name)) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** The first `length` bytes (fewer when the file is shorter). */
export async function readHead(files: FileSet, name: string, length: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let have = 0;
  for await (const chunk of await files.open(name)) {
    chunks.push(chunk as Buffer);
    have += (chunk as Buffer).length;
    if (have >= length) break;
  }
  return Buffer.concat(chunks).subarray(0, length);
}

export function missing(path: string, name: string): StatusError {
  return new StatusError('NotFound', `${path}: entry ${JSON.stringify(name)} is missing`);
}
