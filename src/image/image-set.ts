import type { Readable } from 'node:stream';
import type { Descriptor } from './descriptor.ts';

/** Where the bytes of blobs come from. */
export interface BlobReader {
  /** The archive or directory, for messages. */
  readonly path: string;
  /** True when the blob is there. */
  has(descriptor: Descriptor): Promise<boolean>;
  /**
   * Streams a blob; the stream fails with StatusError DataLoss when size or digest are not the descriptor's.
   *
   * @throws StatusError NotFound naming archive and blob.
   */
  open(descriptor: Descriptor): Promise<Readable>;
  /** A whole manifest, index or config (at most MAX_JSON_BYTES), verified. */
  read(descriptor: Descriptor): Promise<Buffer>;
}

/** One top-level image of an archive or layout. */
export interface NamedImage {
  /** Of a manifest or an index. */
  readonly target: Descriptor;
  /** Full references such as `example.org/app:1`; none for an image without a name. */
  readonly names: readonly string[];
}

/** An opened archive or layout. */
export interface ImageSet extends BlobReader, AsyncDisposable {
  readonly images: readonly NamedImage[];
}
