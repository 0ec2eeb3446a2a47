import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { LayerClosure } from '../closure/annotations.ts';
import { layerTar } from '../closure/layer-tar.ts';
import { type LayerEntry, planNixLayer } from '../closure/nix-layer.ts';
import type { StorePath } from '../closure/store-path.ts';
import { errnoOf, messageOf, StatusError } from '../errors.ts';
import { assembleImage, nixLayer, rootLayer } from '../image/assemble.ts';
import type { BaseImage } from '../image/base-image.ts';
import type { RunConfig } from '../image/image-config.ts';
import { writeLayer } from '../image/layer-blob.ts';
import { blobsOf, type OutputLayer } from '../image/output-image.ts';
import type { Platform } from '../image/platform.ts';
import { planRootLinks } from '../image/root-links.ts';
import type { StoreFiles } from '../image/store-files.ts';
import type { ServedImage } from './served-image.ts';

/** What an image is composed of. */
export interface ImageParts {
  /** Names the image in its own records; nothing looks it up. */
  readonly ref: string;
  readonly platform: Platform;
  readonly config: RunConfig;
  readonly base: BaseImage;
  /** How the Nix layer names what it shows. */
  readonly closure: LayerClosure;
  /** The valid paths that it shows; without any there is no Nix layer. */
  readonly paths: readonly StorePath[];
  /** Directories that are shown at the container's root by links. */
  readonly copyToRoots: readonly StorePath[];
}

/**
 * Composes an image in memory: a Nix layer, a layer of links where there are any, on the base image. Same parts, same bytes.
 *
 * @returns disposing of it does nothing: what the base image reads from is the caller's.
 * @throws StatusError as {@link planRootLinks} and {@link assembleImage}.
 */
export async function composeImage(parts: ImageParts, store: StoreFiles): Promise<ServedImage> {
  const hasNixLayer = parts.paths.length > 0;
  const mountPoints = planNixLayer(await store.kinds(parts.paths), parts.closure);
  const trees = await Promise.all(parts.copyToRoots.map((path) => store.tree(path)));
  const rootLinks = planRootLinks(trees, mountPoints);
  const directory = await mkdtemp(join(tmpdir(), 'nix-snapshotter-'));
  try {
    const image = assembleImage({
      ...parts,
      added: [
        ...(hasNixLayer
          ? [nixLayer(await layerOf(mountPoints, join(directory, 'nix-layer')), parts.closure)]
          : []),
        ...(rootLinks.length === 0 ? [] : [rootLayer(await layerOf(rootLinks, join(directory, 'links')))]),
      ],
    });
    const { descriptor, bytes } = image.manifest;
    return {
      target: { descriptor, open: async () => Readable.from([bytes]) },
      blobs: new Map(blobsOf(image).map((blob) => [blob.descriptor.digest, blob])),
      platform: parts.platform,
      closures: hasNixLayer ? [parts.closure] : [],
      async [Symbol.asyncDispose]() {},
    };
  } catch (cause) {
    if (cause instanceof StatusError) throw cause;
    throw new StatusError(
      errnoOf(cause) === 'ENOSPC' ? 'ResourceExhausted' : 'Internal',
      `${parts.ref}: its layers cannot be made in ${directory}: ${messageOf(cause)}; TMPDIR names another place`,
      { cause },
    );
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** The layer's bytes in memory: empty files and links, so that it is small. */
async function layerOf(entries: readonly LayerEntry[], name: string): Promise<OutputLayer> {
  const { file, ...layer } = await writeLayer(layerTar(entries), 'gzip', name);
  const bytes = await readFile(file);
  return { ...layer, open: async () => Readable.from([bytes]) };
}
