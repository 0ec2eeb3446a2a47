import { Readable } from 'node:stream';
import { type Descriptor, describe, encodeJson, MEDIA } from './descriptor.ts';
import { NAME_ANNOTATION, REF_ANNOTATION } from './oci-set.ts';
import type { Platform } from './platform.ts';
import { parseReference } from './reference.ts';
import { StatusError } from '../errors.ts';

/** A layer ready to be written: its bytes can be streamed again and again. */
export interface OutputLayer {
  readonly descriptor: Descriptor;
  readonly diffId: string;
  readonly open: () => Promise<Readable>;
}

/** A finished single-platform image. */
export interface OutputImage {
  /** Full reference. */
  readonly ref: string;
  readonly platform: Platform;
  readonly manifest: { readonly descriptor: Descriptor; readonly bytes: Buffer };
  readonly config: { readonly descriptor: Descriptor; readonly bytes: Buffer };
  readonly layers: readonly OutputLayer[];
}

/** A blob to write. */
export interface OutputBlob {
  readonly descriptor: Descriptor;
  readonly open: () => Promise<Readable>;
}

/** All blobs, each once, sorted by digest. */
export function blobsOf(image: OutputImage): readonly OutputBlob[] {
  const blobs = new Map<string, OutputBlob>();
  for (const { descriptor, bytes } of [image.manifest, image.config]) {
    blobs.set(descriptor.digest, { descriptor, open: async () => Readable.from([bytes]) });
  }
  for (const layer of image.layers) blobs.set(layer.descriptor.digest, layer);
  return [...blobs.values()].toSorted((a, b) => (a.descriptor.digest < b.descriptor.digest ? -1 : 1));
}

/** The file of a blob in an OCI layout. */
export function blobFile(digest: string): string {
  return `blobs/${digest.replace(':', '/')}`;
}

/** The descriptor that `index.json` holds, named as containerd's and the OCI layout's annotations ask. */
export function indexEntry(image: OutputImage): Descriptor {
  return {
    ...image.manifest.descriptor,
    annotations: { [NAME_ANNOTATION]: image.ref, [REF_ANNOTATION]: tagOf(image.ref) },
    platform: { ...image.platform },
  };
}

export function indexJson(manifests: readonly Descriptor[]): Buffer {
  return encodeJson({ schemaVersion: 2, mediaType: MEDIA.ociIndex, manifests });
}

export const LAYOUT_JSON = encodeJson({ imageLayoutVersion: '1.0.0' });

/** Docker's `manifest.json`. */
export function dockerManifest(image: OutputImage, config: string, layers: readonly string[]): Buffer {
  return encodeJson([{ Config: config, RepoTags: [image.ref], Layers: layers }]);
}

/** Descriptor of bytes that only an archive holds. */
export function fileBlob(bytes: Buffer): OutputBlob {
  return { descriptor: describe('', bytes), open: async () => Readable.from([bytes]) };
}

function tagOf(ref: string): string {
  try {
    return parseReference(ref).tag ?? ref;
  } catch (error) {
    if (error instanceof StatusError) return ref;
    throw error;
  }
}
