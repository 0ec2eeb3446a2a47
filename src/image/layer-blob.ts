import { createWriteStream } from 'node:fs';
import { PassThrough, type Readable, type Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip, createZstdCompress } from 'node:zlib';
import { type Compression, LAYER_MEDIA_TYPES } from './compression.ts';
import type { Descriptor } from './descriptor.ts';
import { Digester } from './digest.ts';

/** A layer written to a file. */
export interface LayerBlob {
  readonly descriptor: Descriptor;
  /** Digest of the uncompressed tar. */
  readonly diffId: string;
  readonly file: string;
}

const COMPRESSORS: Readonly<Record<Compression, () => Transform>> = {
  none: () => new PassThrough(),
  gzip: () => createGzip({ level: 6 }),
  zstd: () => createZstdCompress(),
};

/**
 * Writes a layer. Same tar, same bytes.
 *
 * @param file where the blob is written; its directory exists.
 */
export async function writeLayer(tar: Readable, compression: Compression, file: string): Promise<LayerBlob> {
  const diff = new Digester();
  const blob = new Digester();
  await pipeline(tar, diff, COMPRESSORS[compression](), blob, createWriteStream(file));
  return {
    descriptor: { mediaType: LAYER_MEDIA_TYPES[compression], digest: blob.digest(), size: blob.size },
    diffId: diff.digest(),
    file,
  };
}
