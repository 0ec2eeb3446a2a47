import { StatusError } from '../errors.ts';
import { type Descriptor, MAX_JSON_BYTES, parseIndex } from './descriptor.ts';
import { FileBlobs } from './file-blobs.ts';
import { type FileSet, readSmall } from './file-set.ts';
import type { ImageSet } from './image-set.ts';
import { normalReference } from './reference.ts';

/** containerd's annotation: the full name of an image in `index.json`. */
export const NAME_ANNOTATION = 'io.containerd.image.name';
/** The OCI layout's annotation: a tag, or (skopeo, older tools) a full name. */
export const REF_ANNOTATION = 'org.opencontainers.image.ref.name';

/**
 * Reads an OCI image layout (OCI image specification, "image-layout") in a directory or an archive.
 * Takes over `files`: disposing the result disposes it.
 *
 * @throws StatusError InvalidArgument or NotFound, naming archive and entry.
 */
export async function openOciSet(files: FileSet): Promise<ImageSet> {
  const index = parseIndex(
    await readSmall(files, 'index.json', MAX_JSON_BYTES),
    `${files.path}: entry index.json`,
  );
  if (index.manifests.length === 0) {
    throw new StatusError('InvalidArgument', `${files.path}: entry index.json names no image`);
  }
  const blobs = new FileBlobs({ fileOf: blobFile }, { files });
  return {
    path: files.path,
    images: grouped(index.manifests),
    has: (descriptor) => blobs.has(descriptor),
    open: (descriptor) => blobs.open(descriptor),
    read: (descriptor) => blobs.read(descriptor),
    [Symbol.asyncDispose]: () => files[Symbol.asyncDispose](),
  };
}

function blobFile(digest: string): string {
  return `blobs/${digest.replace(':', '/')}`;
}

function grouped(manifests: readonly Descriptor[]): ImageSet['images'] {
  const images = new Map<string, { target: Descriptor; names: string[] }>();
  for (const target of manifests) {
    const image = images.get(target.digest) ?? { target, names: [] };
    images.set(target.digest, image);
    const name = nameOf(target);
    if (name !== undefined && !image.names.includes(name)) image.names.push(name);
  }
  return [...images.values()];
}

function nameOf(target: Descriptor): string | undefined {
  const full = target.annotations?.[NAME_ANNOTATION];
  if (full !== undefined) return full;
  const ref = target.annotations?.[REF_ANNOTATION];
  return ref !== undefined && /[/:]/.test(ref) ? normalReference(ref) : undefined;
}
