import { type LayerClosure, parseLayerAnnotations } from '../closure/annotations.ts';
import { StatusError } from '../errors.ts';
import type { Descriptor } from '../image/descriptor.ts';
import type { ImageSet } from '../image/image-set.ts';
import { listManifests } from '../image/select-manifest.ts';
import type { ServedBlob, ServedImage } from './served-image.ts';

/**
 * Serves an archive or layout that lies in the store. Disposing of the result disposes of `set`; a failure does not.
 *
 * @throws StatusError InvalidArgument when it holds more than one image.
 */
export async function storedImage(set: ImageSet): Promise<ServedImage> {
  const [image, ...more] = set.images;
  if (image === undefined || more.length > 0) {
    throw new StatusError(
      'InvalidArgument',
      `${set.path}: holds ${set.images.length} images, one is expected; load it by nix2container load`,
    );
  }
  const blobs = new Map<string, ServedBlob>();
  const closures: LayerClosure[] = [];
  const add = (descriptor: Descriptor): ServedBlob => {
    const blob = { descriptor, open: () => set.open(descriptor) };
    blobs.set(descriptor.digest, blob);
    return blob;
  };
  const target = add(image.target);
  for (const { descriptor, manifest } of await listManifests(set, image.target)) {
    add(descriptor);
    add(manifest.config);
    for (const layer of manifest.layers ?? []) {
      add(layer);
      const closure = parseLayerAnnotations(new Map(Object.entries(layer.annotations ?? {})));
      if (closure !== undefined) closures.push(closure);
    }
  }
  return { target, blobs, closures, [Symbol.asyncDispose]: () => set[Symbol.asyncDispose]() };
}
