import { type LayerClosure, parseLayerAnnotations } from '../closure/annotations.ts';
import { parseLayeredAnnotations } from '../closure/layered.ts';
import type { StorePath } from '../closure/store-path.ts';
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
  const held = new Set<StorePath>();
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
      const labels = new Map(Object.entries(layer.annotations ?? {}));
      const closure = parseLayerAnnotations(labels);
      if (closure !== undefined) closures.push(closure);
      const list = listOfHeld(labels);
      if (list !== undefined) held.add(list);
    }
  }
  return {
    target,
    blobs,
    closures,
    held: [...held].map((path) => ({ kind: 'closure-info', path })),
    [Symbol.asyncDispose]: () => set[Symbol.asyncDispose](),
  };
}

/** The list of what a layer says that it holds. Annotations that cannot be read name none: such a layer is unpacked as any other. */
function listOfHeld(labels: ReadonlyMap<string, string>): StorePath | undefined {
  try {
    return parseLayeredAnnotations(labels)?.closureInfo;
  } catch (error) {
    if (error instanceof StatusError && error.code === 'InvalidArgument') return undefined;
    throw error;
  }
}
