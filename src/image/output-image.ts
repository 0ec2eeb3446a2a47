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

/** What a layout holds of one image or index. */
export interface OutputSet {
  /** Full reference. */
  readonly ref: string;
  /** As `index.json` has it, without annotations. */
  readonly target: Descriptor;
  readonly blobs: readonly OutputBlob[];
}

/** All blobs of an image. */
export function blobsOf(image: OutputImage): readonly OutputBlob[] {
  return distinct([memoryBlob(image.manifest), memoryBlob(image.config), ...image.layers]);
}

/** A finished image as a layout holds it. */
export function setOf(image: OutputImage): OutputSet {
  const target = { ...image.manifest.descriptor, platform: { ...image.platform } };
  return { ref: image.ref, target, blobs: blobsOf(image) };
}

/** Each blob once, sorted by digest. */
export function distinct(all: readonly OutputBlob[]): readonly OutputBlob[] {
  const blobs = new Map(all.map((blob) => [blob.descriptor.digest, blob]));
  return [...blobs.values()].toSorted((a, b) => (a.descriptor.digest < b.descriptor.digest ? -1 : 1));
}

/** A blob that is held in memory. */
export function memoryBlob({
  descriptor,
  bytes,
}: {
  readonly descriptor: Descriptor;
  readonly bytes: Buffer;
}): OutputBlob {
  return { descriptor, open: async () => Readable.from([bytes]) };
}

/** The file of a blob in an OCI layout. */
export function blobFile(digest: string): string {
  return `blobs/${digest.replace(':', '/')}`;
}

/** The descriptor that `index.json` holds, named as containerd's and the OCI layout's annotations ask. */
export function indexEntry({ ref, target }: OutputSet): Descriptor {
  const { platform, ...descriptor } = target;
  return {
    ...descriptor,
    annotations: { [NAME_ANNOTATION]: ref, [REF_ANNOTATION]: tagOf(ref) },
    ...(platform ? { platform } : {}),
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
  return memoryBlob({ descriptor: describe('', bytes), bytes });
}

function tagOf(ref: string): string {
  try {
    return parseReference(ref).tag ?? ref;
  } catch (error) {
    if (error instanceof StatusError) return ref;
    throw error;
  }
}
