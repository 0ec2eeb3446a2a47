import type { StorePath } from '../closure/store-path.ts';
import type { ClosureReader } from '../closure/closure-of-layer.ts';
import { detectCompression } from '../image/compression.ts';
import { StoreFiles } from '../image/store-files.ts';
import type { NixStore } from '../nix/store.ts';
import { describedImage } from './described-image.ts';
import { parseDescription } from './description.ts';
import { jsonOf } from './json-file.ts';
import { parseNix2container } from './nix2container-json.ts';
import { openStoredImages } from './open-stored-images.ts';
import { pathImage } from './path-image.ts';
import type { ServedImage } from './served-image.ts';
import { storedImage } from './stored-image.ts';

export interface OpenImageDeps {
  readonly nix: Pick<NixStore, 'realStoreDir' | 'closure' | 'valid'>;
  readonly closures: Pick<ClosureReader, 'pathsOf'>;
  /** Makes paths valid and roots them. */
  readonly realise: (paths: readonly StorePath[]) => Promise<void>;
  /** Nobody waits any more. */
  readonly signal: AbortSignal;
}

/**
 * The image that a valid store path is: a layout or an archive of images, a description, nix2container's JSON, else the path as it
 * is.
 *
 * @throws StatusError what reading it raises, or realising what it names.
 */
export async function openImage(
  path: StorePath,
  { nix, closures, realise, signal }: OpenImageDeps,
): Promise<ServedImage> {
  const store = new StoreFiles({ realStoreDir: await nix.realStoreDir() });
  if (await holdsImages(path, store)) return await archived(path, store, signal);
  const json = await jsonOf(path, store);
  const description = parseDescription(json, path);
  if (description !== undefined)
    return await describedImage(path, description, { nix, store, closures, realise, signal });
  const described = parseNix2container(json, path);
  if (described !== undefined) {
    const { nix2containerImage } = await import('./nix2container-image.ts');
    return await nix2containerImage(path, described, { nix, store, realise, signal });
  }
  return await pathImage(path, { nix, store });
}

async function archived(path: StorePath, store: StoreFiles, signal: AbortSignal): Promise<ServedImage> {
  const set = await openStoredImages(path, store, signal);
  try {
    return await storedImage(set);
  } catch (error) {
    await set[Symbol.asyncDispose]();
    throw error;
  }
}

/** Whether a path is an OCI layout, or an archive (plain, gzip or zstd) such as images come in. */
async function holdsImages(path: StorePath, store: StoreFiles): Promise<boolean> {
  const isLayout = (await store.head(`${path}/oci-layout`, 1)) !== undefined;
  if (isLayout) return true;
  const head = await store.head(path, TAR_MAGIC_AT + TAR_MAGIC.length);
  if (head === undefined) return false;
  return detectCompression(head) !== 'none' || head.toString('latin1', TAR_MAGIC_AT) === TAR_MAGIC;
}

const TAR_MAGIC = 'ustar';
const TAR_MAGIC_AT = 257;
