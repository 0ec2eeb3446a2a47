import { type ImportOptions, importImage, nameImage } from './import-image.ts';
import { openSession, type SessionOptions } from './containerd-session.ts';
import { imageName } from './image-name.ts';
import type { ImageSet, NamedImage } from './image-set.ts';
import { openImages } from './open-images.ts';
import { UsageError } from './usage-error.ts';

export interface LoadOptions extends SessionOptions, ImportOptions {
  /** Archive or layout. */
  readonly path: string;
  /** Name to give instead of those in the archive, which then must hold one image. */
  readonly ref?: string;
}

export interface LoadedImage {
  readonly name: string;
  /** Of the manifest or index that the name points to. */
  readonly digest: string;
}

/**
 * Brings all images of an archive or layout into containerd: blobs, then snapshots, then the names. A name is replaced
 * in one step, after its image is complete; on failure no name is changed, and containerd collects the rest.
 *
 * @throws StatusError naming the archive, blob, layer or name; Unavailable when containerd does not answer.
 */
export async function loadImages(options: LoadOptions): Promise<readonly LoadedImage[]> {
  await using set = await openImages(options.path);
  const named = set.images.map((image) => ({ image, names: namesOf(set, image, options.ref) }));
  await using session = await openSession({ ...options, hint: 'another socket: --address; root is needed' });
  const loaded: LoadedImage[] = [];
  const stored = new Set<string>();
  for (const { image } of named) await importImage(session, set, image.target, options, stored);
  for (const { image, names } of named) {
    for (const name of names) {
      await nameImage(session, name, image.target);
      loaded.push({ name, digest: image.target.digest });
    }
  }
  return loaded;
}

function namesOf(set: ImageSet, image: NamedImage, ref: string | undefined): readonly string[] {
  if (ref !== undefined) {
    if (set.images.length === 1) return [imageName(ref, set.path)];
    throw new UsageError(`${set.path}: holds ${set.images.length} images, --ref can name only one`);
  }
  if (image.names.length > 0) return image.names;
  throw new UsageError(`${set.path}: image ${image.target.digest} has no name: give one by --ref`);
}
