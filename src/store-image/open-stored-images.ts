import { STORE_DIR, type StorePath, storePathName } from '../closure/store-path.ts';
import type { ImageSet } from '../image/image-set.ts';
import { openImages } from '../image/open-images.ts';
import type { StoreFiles } from '../image/store-files.ts';

/**
 * Opens an archive or layout that lies in the store. Links are followed inside the store only: what a store path says must not
 * make this daemon read other files of the host.
 *
 * @param signal nobody waits any more.
 * @throws StatusError as {@link openImages}.
 */
export async function openStoredImages(
  path: StorePath,
  store: StoreFiles,
  signal: AbortSignal,
): Promise<ImageSet> {
  const directory = `${store.realStoreDir}/${storePathName(path)}`;
  const locate = async (file: string): Promise<string | undefined> =>
    await store.realFile(STORE_DIR + file.slice(store.realStoreDir.length));
  return await openImages((await store.realFile(path)) ?? directory, { locate, signal });
}
