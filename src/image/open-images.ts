import type { Stats } from 'node:fs';
import { stat } from 'node:fs/promises';
import { messageOf, StatusError } from '../errors.ts';
import { DirectoryFiles, type Locate } from './directory-files.ts';
import { openDockerSet } from './docker-set.ts';
import type { FileSet } from './file-set.ts';
import type { ImageSet } from './image-set.ts';
import { openOciSet } from './oci-set.ts';
import { TarFiles } from './tar-files.ts';

export interface OpenImagesOptions {
  /** Follows the links of a layout; the kernel does unless told. */
  readonly locate?: Locate;
  /** Nobody waits any more: what is being unpacked is given up. */
  readonly signal?: AbortSignal;
}

/**
 * Opens an OCI layout directory, an OCI archive or a docker archive; archives may be plain, gzip or zstd. An
 * archive that is both (containerd and `docker save` write such) is read as OCI, which keeps annotations.
 *
 * @param path of the archive or directory; dispose the result.
 * @throws StatusError NotFound, InvalidArgument, DataLoss or ResourceExhausted, naming archive and entry.
 */
export async function openImages(
  path: string,
  { locate, signal }: OpenImagesOptions = {},
): Promise<ImageSet> {
  const files =
    (await kindOf(path)) === 'directory'
      ? new DirectoryFiles(path, locate)
      : await TarFiles.open(path, signal);
  try {
    return await openSet(files);
  } catch (error) {
    await files[Symbol.asyncDispose]();
    throw error;
  }
}

async function openSet(files: FileSet): Promise<ImageSet> {
  if ((await files.size('index.json')) !== undefined) return openOciSet(files);
  if ((await files.size('manifest.json')) !== undefined) return openDockerSet(files);
  throw new StatusError(
    'InvalidArgument',
    `${files.path}: neither index.json (OCI layout) nor manifest.json (docker archive) is in it: not an image`,
  );
}

async function kindOf(path: string): Promise<'directory' | 'file'> {
  let info: Stats;
  try {
    info = await stat(path);
  } catch (cause) {
    throw new StatusError('NotFound', `${path}: cannot be opened: ${messageOf(cause)}`, { cause });
  }
  if (info.isDirectory()) return 'directory';
  if (info.isFile()) return 'file';
  // A pipe cannot be read twice, and waits for a writer.
  throw new StatusError(
    'InvalidArgument',
    `${path}: neither a file nor a directory; write it to a file first`,
  );
}
