import { storePathArgument } from '../image/build-inputs.ts';
import type { ImageSet } from '../image/image-set.ts';
import type { NixQuery } from '../image/nix-query.ts';
import { openImages } from '../image/open-images.ts';
import type { StoreFiles } from '../image/store-files.ts';
import { jsonOf } from './json-file.ts';
import { nix2containerImage } from './nix2container-image.ts';
import { parseNix2container } from './nix2container-json.ts';
import { servedReader } from './served-reader.ts';

export interface OpenBaseImageDeps {
  readonly store: StoreFiles;
  readonly nix: Pick<NixQuery, 'closure'>;
}

/**
 * Opens what an image is built on: what {@link openImages} opens, or the JSON file in the store by which nix2container (nlewo)
 * describes an image.
 *
 * @param path of it, or a link to it; dispose the result.
 * @throws StatusError as these do; NotFound for store paths of the description that are not there.
 */
export async function openBaseImage(path: string, { store, nix }: OpenBaseImageDeps): Promise<ImageSet> {
  const storePath = await storePathArgument(path);
  const json = storePath === undefined ? undefined : await jsonOf(storePath, store);
  const described = parseNix2container(json, path);
  if (storePath === undefined || described === undefined) return await openImages(path);
  const image = await nix2containerImage(storePath, described, {
    nix,
    store,
    // Whoever builds has them: what the description names was built with it.
    realise: async () => {},
    signal: new AbortController().signal,
  });
  return {
    ...servedReader(image),
    path,
    images: [{ target: image.target.descriptor, names: [] }],
    [Symbol.asyncDispose]: () => image[Symbol.asyncDispose](),
  };
}
