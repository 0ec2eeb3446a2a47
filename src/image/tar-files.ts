import { createWriteStream } from 'node:fs';
import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { errnoOf, messageOf, StatusError } from '../errors.ts';
import { type Compression, decompressor, detectCompression } from './compression.ts';
import { type FileSet, missing } from './file-set.ts';
import { indexTar, type TarEntry } from './tar-index.ts';

const CHUNK_BYTES = 256 * 1024;

/**
 * The files of a tar archive, read where they lie. A compressed archive is first unpacked to one temporary
 * file (below TMPDIR), which is removed on disposal.
 */
export class TarFiles implements FileSet {
  readonly path: string;
  readonly #file: FileHandle;
  readonly #entries: ReadonlyMap<string, TarEntry>;
  readonly #tempDir: string | undefined;

  private constructor(
    path: string,
    file: FileHandle,
    entries: ReadonlyMap<string, TarEntry>,
    tempDir?: string,
  ) {
    this.path = path;
    this.#file = file;
    this.#entries = entries;
    this.#tempDir = tempDir;
  }

  /** @throws StatusError NotFound, InvalidArgument, DataLoss or ResourceExhausted, naming the archive. */
  static async open(path: string, signal?: AbortSignal): Promise<TarFiles> {
    const original = await openFile(path);
    let tempDir: string | undefined;
    let file = original;
    try {
      const head = Buffer.alloc(4);
      await original.read(head, 0, 4, 0);
      const compression = detectCompression(head);
      if (compression !== 'none') {
        tempDir = await mkdtemp(join(tmpdir(), 'nix2container-'));
        file = await unpack(original, compression, join(tempDir, 'archive.tar'), path, signal);
        await original.close();
      }
      return new TarFiles(path, file, await indexTar(file, path), tempDir);
    } catch (error) {
      if (file !== original) await file.close();
      await original.close();
      if (tempDir !== undefined) await rm(tempDir, { recursive: true, force: true });
      throw error;
    }
  }

  /** The names of all regular files. */
  names(): Iterable<string> {
    return this.#entries.keys();
  }

  async size(name: string): Promise<number | undefined> {
    return this.#entries.get(name)?.size;
  }

  async open(name: string, start = 0): Promise<Readable> {
    const entry = this.#entries.get(name);
    if (entry === undefined) throw missing(this.path, name);
    const bytes = readRange(
      this.#file,
      entry.offset + start,
      entry.offset + entry.size,
      `${this.path}: entry ${name}`,
    );
    return Readable.from(bytes, { objectMode: false });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
    if (this.#tempDir !== undefined) await rm(this.#tempDir, { recursive: true, force: true });
  }
}

async function openFile(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r');
  } catch (cause) {
    throw new StatusError('NotFound', `${path}: cannot be opened: ${messageOf(cause)}`, { cause });
  }
}

async function unpack(
  from: FileHandle,
  compression: Compression,
  to: string,
  path: string,
  signal: AbortSignal | undefined,
): Promise<FileHandle> {
  const { size } = await from.stat();
  const source = Readable.from(readRange(from, 0, size, path), { objectMode: false });
  const transform = decompressor(compression);
  try {
    const options = signal === undefined ? {} : { signal };
    if (transform !== undefined)
      await pipeline(source, transform, createWriteStream(to, { mode: 0o600 }), options);
  } catch (cause) {
    if (signal?.aborted === true) throw new StatusError('Cancelled', `${path}: nobody waits for it any more`);
    if (errnoOf(cause) === 'ENOSPC') {
      throw new StatusError(
        'ResourceExhausted',
        `${path}: no room to unpack it in ${dirname(to)}; TMPDIR names another place`,
        { cause },
      );
    }
    throw new StatusError('DataLoss', `${path}: cannot be unpacked as ${compression}: ${messageOf(cause)}`, {
      cause,
    });
  }
  return open(to, 'r');
}

/** Bytes `start` up to, not including, `end`. The file stays open, whatever becomes of the reader. */
async function* readRange(
  file: FileHandle,
  start: number,
  end: number,
  where: string,
): AsyncGenerator<Buffer> {
  for (let at = start; at < end; ) {
    const buffer = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, end - at));
    const { bytesRead } = await file.read(buffer, 0, buffer.length, at);
    if (bytesRead === 0)
      throw new StatusError('DataLoss', `${where}: the file became shorter while it was read`);
    yield buffer.subarray(0, bytesRead);
    at += bytesRead;
  }
}
