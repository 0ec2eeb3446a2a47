import { createGunzip, createZstdDecompress } from 'node:zlib';
import type { Transform } from 'node:stream';
import { MEDIA } from './descriptor.ts';

export type Compression = 'none' | 'gzip' | 'zstd';

/** Tells the compression from the first four bytes (RFC 1952, RFC 8878; skippable zstd frames included). */
export function detectCompression(head: Uint8Array): Compression {
  if (head[0] === 0x1f && head[1] === 0x8b) return 'gzip';
  const zstd = head[0] === 0x28 && head[1] === 0xb5 && head[2] === 0x2f && head[3] === 0xfd;
  const skippable =
    head[0] !== undefined &&
    (head[0] & 0xf0) === 0x50 &&
    head[1] === 0x2a &&
    head[2] === 0x4d &&
    head[3] === 0x18;
  return zstd || skippable ? 'zstd' : 'none';
}

const DECOMPRESSORS: Readonly<Record<Compression, () => Transform | undefined>> = {
  none: () => undefined,
  gzip: () => createGunzip(),
  zstd: () => createZstdDecompress(),
};

/** A decompressing stream, or undefined for `none`. */
export function decompressor(compression: Compression): Transform | undefined {
  return DECOMPRESSORS[compression]();
}

/** The OCI media type of a layer. */
export const LAYER_MEDIA_TYPES: Readonly<Record<Compression, string>> = {
  none: MEDIA.ociLayer,
  gzip: MEDIA.ociLayerGzip,
  zstd: MEDIA.ociLayerZstd,
};
