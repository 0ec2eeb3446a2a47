import { createWriteStream } from 'node:fs';
import { PassThrough, type Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip, createZstdCompress } from 'node:zlib';
import { type Pack, pack } from 'tar-stream';
import { type Compression, LAYER_MEDIA_TYPES } from './compression.ts';
import type { Descriptor } from './descriptor.ts';
import { Digester } from './digest.ts';
import type { LayerEntry } from './nix-layer.ts';

/** A layer written to a file. */
export interface LayerBlob {
  readonly descriptor: Descriptor;
  /** Digest of the uncompressed tar. */
  readonly diffId: string;
  readonly file: string;
}

/** Modes are fixed, so that the bytes do not depend on umask or store. */
const MODE = { directory: 0o755, file: 0o555, symlink: 0o777 } as const;
const COMPRESSORS: Readonly<Record<Compression, () => Transform>> = {
  none: () => new PassThrough(),
  gzip: () => createGzip({ level: 6 }),
  zstd: () => createZstdCompress(),
};
type HeaderInput = Parameters<Pack['entry']>[0];

const EPOCH = new Date(0);

/**
 * Writes a layer: entries in the order given, owner 0:0, time 0, PAX headers where a name needs them. Same
 * entries, same bytes.
 *
 * @param file where the blob is written; its directory exists.
 */
export async function writeLayer(
  entries: readonly LayerEntry[],
  compression: Compression,
  file: string,
): Promise<LayerBlob> {
  const tar = pack();
  const diff = new Digester();
  const blob = new Digester();
  const filling = fill(tar, entries);
  await Promise.all([
    filling,
    pipeline(tar, diff, COMPRESSORS[compression](), blob, createWriteStream(file)),
  ]);
  return {
    descriptor: { mediaType: LAYER_MEDIA_TYPES[compression], digest: blob.digest(), size: blob.size },
    diffId: diff.digest(),
    file,
  };
}

async function fill(tar: Pack, entries: readonly LayerEntry[]): Promise<void> {
  for (const { path, entry, content = '' } of entries) {
    const header: HeaderInput = {
      name: entry.kind === 'directory' ? `${path}/` : path,
      type: entry.kind,
      mode: MODE[entry.kind],
      uid: 0,
      gid: 0,
      mtime: EPOCH,
      size: 0,
    };
    if (entry.kind === 'symlink') header.linkname = entry.target;
    await new Promise<void>((resolve, reject) => {
      const done = (error?: Error | null) => (error ? reject(error) : resolve());
      if (entry.kind === 'file') tar.entry(header, content, done);
      else tar.entry(header, done);
    });
  }
  tar.finalize();
}
