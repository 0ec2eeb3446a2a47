import { errnoOf, messageOf, StatusError } from '../errors.ts';
import { type Descriptor, describe, encodeJson, MEDIA } from './descriptor.ts';
import { imageName } from './image-name.ts';
import type { ImageSet } from './image-set.ts';
import { openImages } from './open-images.ts';
import { distinct, memoryBlob, type OutputBlob, type OutputSet } from './output-image.ts';
import { formatPlatform, type Platform } from './platform.ts';
import { manifestsOf, type PlatformManifest } from './select-manifest.ts';
import { writeOciSetArchive } from './write-archive.ts';
import { writeOciLayout } from './write-layout.ts';

export interface IndexOptions {
  /** Archives or layouts of one image each. */
  readonly images: readonly string[];
  /** File or directory to write. */
  readonly out: string;
  /** Name of the index; undefined for the one that follows from `out`. */
  readonly ref?: string;
  readonly format: 'oci-archive' | 'oci-layout';
}

export interface IndexResult {
  readonly ref: string;
  /** Of the index. */
  readonly digest: string;
  readonly platforms: readonly Platform[];
}

const WRITERS: Readonly<Record<IndexOptions['format'], (set: OutputSet, out: string) => Promise<void>>> = {
  'oci-archive': (set, out) => writeOciSetArchive(set, out),
  'oci-layout': writeOciLayout,
};

/**
 * Joins images for different platforms into one image index, and writes it with all of them. Their manifests stay as they are. Same
 * images, same bytes, in whatever order they are named.
 *
 * @throws StatusError InvalidArgument naming two images for one platform, one whose platform nothing tells, or an archive with more
 *   than one image; nothing is left at `out` on failure (a layout keeps blobs nothing names).
 */
export async function indexImages({ images, out, ref, format }: IndexOptions): Promise<IndexResult> {
  await using opened = new AsyncDisposableStack();
  const found: PlatformImage[] = [];
  for (const path of images) found.push(...(await platformImages(opened.use(await openImages(path)))));
  const sorted = found.toSorted((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
  for (const [at, image] of sorted.entries()) {
    const before = sorted[at - 1];
    if (before !== undefined && nameOf(before) === nameOf(image)) throw twice(before, image);
  }
  const manifests = sorted.map(descriptorOf);
  const bytes = encodeJson({ schemaVersion: 2, mediaType: MEDIA.ociIndex, manifests });
  const index = { descriptor: describe(MEDIA.ociIndex, bytes), bytes };
  const name = imageName(ref, out);
  const blobs = distinct([memoryBlob(index), ...sorted.flatMap(blobsIn)]);
  try {
    await WRITERS[format]({ ref: name, target: index.descriptor, blobs }, out);
  } catch (cause) {
    if (cause instanceof StatusError) throw cause;
    const code = errnoOf(cause) === 'ENOSPC' ? 'ResourceExhausted' : 'Internal';
    throw new StatusError(code, `${out}: cannot be written: ${messageOf(cause)}`, { cause });
  }
  return { ref: name, digest: index.descriptor.digest, platforms: sorted.map(({ platform }) => platform) };
}

interface PlatformImage {
  readonly set: ImageSet;
  readonly found: PlatformManifest;
  readonly platform: Platform;
}

async function platformImages(set: ImageSet): Promise<readonly PlatformImage[]> {
  return (await manifestsOf(set)).map((found) => {
    if (found.platform !== undefined) return { set, found, platform: found.platform };
    throw new StatusError(
      'InvalidArgument',
      `${set.path}: neither its index nor its config tells the platform: build it with --platform`,
    );
  });
}

function nameOf({ platform }: PlatformImage): string {
  return formatPlatform(platform);
}

function descriptorOf({ found, platform }: PlatformImage): Descriptor {
  const { digest, size } = found.descriptor;
  const mediaType = found.descriptor.mediaType || MEDIA.ociManifest;
  return { mediaType, digest, size, platform: { ...platform } };
}

function blobsIn({ set, found: { descriptor, manifest } }: PlatformImage): readonly OutputBlob[] {
  return [descriptor, manifest.config, ...(manifest.layers ?? [])].map((blob) => ({
    descriptor: blob,
    open: () => set.open(blob),
  }));
}

function twice(one: PlatformImage, other: PlatformImage): StatusError {
  return new StatusError(
    'InvalidArgument',
    `${one.set.path} and ${other.set.path} are both for ${nameOf(one)}: an index has one image for each platform`,
  );
}
