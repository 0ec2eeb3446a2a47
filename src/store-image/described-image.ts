import type { LayerClosure } from '../closure/annotations.ts';
import type { ClosureReader } from '../closure/closure-of-layer.ts';
import { parseLayerAnnotations } from '../closure/annotations.ts';
import { type StorePath, storePathName } from '../closure/store-path.ts';
import { type BaseImage, NO_BASE, readBaseImage } from '../image/base-image.ts';
import type { StoreFiles } from '../image/store-files.ts';
import type { NixStore } from '../nix/store.ts';
import { openStoredImages } from './open-stored-images.ts';
import { composeImage } from './compose.ts';
import { type ImageDescription, inputsOf } from './description.ts';
import type { ServedImage } from './served-image.ts';

export interface DescribedImageDeps {
  readonly nix: Pick<NixStore, 'closure'>;
  readonly store: StoreFiles;
  readonly closures: Pick<ClosureReader, 'pathsOf'>;
  /** Makes paths valid and roots them: a description need not refer to what it names. */
  readonly realise: (paths: readonly StorePath[]) => Promise<void>;
  /** Nobody waits any more. */
  readonly signal: AbortSignal;
}

/**
 * The image that a description tells how to make; made anew each time, never written down.
 *
 * @param path of the description, for names and messages.
 * @throws StatusError what realising raises; InvalidArgument, NotFound or DataLoss from what it is made of.
 */
export async function describedImage(
  path: StorePath,
  description: ImageDescription,
  { nix, store, closures, realise, signal }: DescribedImageDeps,
): Promise<ServedImage> {
  const inputs = inputsOf(description);
  await realise(inputs);
  const { closureInfo, roots, baseImage } = description;
  const closure: LayerClosure =
    closureInfo === undefined
      ? { kind: 'paths', paths: await nix.closure(roots) }
      : { kind: 'closure-info', path: closureInfo };
  const set = baseImage === undefined ? undefined : await openStoredImages(baseImage, store, signal);
  try {
    const base = set === undefined ? NO_BASE : await readBaseImage(set, description.platform);
    const paths = await closures.pathsOf(closure);
    const image = await composeImage(
      { ...description, ref: storePathName(path), base, closure, paths },
      store,
    );
    return {
      ...image,
      inputs,
      closures: [...closuresOf(base), closure],
      [Symbol.asyncDispose]: async () => await set?.[Symbol.asyncDispose](),
    };
  } catch (error) {
    await set?.[Symbol.asyncDispose]();
    throw error;
  }
}

/** What the Nix layers of a base image name. */
function closuresOf(base: BaseImage): readonly LayerClosure[] {
  return base.layers
    .map(({ descriptor }) => parseLayerAnnotations(new Map(Object.entries(descriptor.annotations ?? {}))))
    .filter((closure) => closure !== undefined);
}
