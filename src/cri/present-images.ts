import type { ContentMethods, ImagesMethods, SnapshotsMethods } from '../../proto/gen/messages.ts';
import { chainId } from '../closure/chain-id.ts';
import { namedPaths, parseLayerAnnotations } from '../closure/annotations.ts';
import type { StorePath } from '../closure/store-path.ts';
import { StatusError } from '../errors.ts';
import type { Descriptor } from '../image/descriptor.ts';
import { type ImportOptions, unpackable } from '../image/import-image.ts';
import { bestManifest } from '../image/select-manifest.ts';
import type { CallOptions, RpcClient, ServiceClient } from '../rpc/client.ts';
import { images, content, snapshots } from '../rpc/proto.ts';
import { contentBlobs } from './content-blobs.ts';

/** An image in containerd that a container can be made of. */
export interface PresentImage {
  readonly target: Descriptor;
  /** Digest of its config. */
  readonly id: string;
  /** What its layers name; the image is whole where all of it is valid. */
  readonly paths: readonly StorePath[];
}

/** Finds images that are in containerd and unpacked, so that a pull of them need not ask any cache. */
export class PresentImages {
  readonly #import: ImportOptions;
  readonly #content: ServiceClient<ContentMethods>;
  readonly #images: ServiceClient<ImagesMethods>;
  readonly #snapshots: ServiceClient<SnapshotsMethods>;

  /** @param deps.containerd of the namespace of CRI. */
  constructor(options: ImportOptions, { containerd }: { readonly containerd: RpcClient }) {
    this.#import = options;
    this.#content = containerd.service(content);
    this.#images = containerd.service(images);
    this.#snapshots = containerd.service(snapshots);
  }

  /**
   * The image of this name if containerd has its manifest and config, and the snapshots that it unpacks to.
   *
   * @param digest the name must stand for, if any.
   * @throws StatusError as containerd answers.
   */
  async find(name: string, digest: string | undefined, call: CallOptions): Promise<PresentImage | undefined> {
    try {
      const { image } = await this.#images.Get({ name }, call);
      if (image === null || image.target === null) return undefined;
      const target = { ...image.target, mediaType: image.target.media_type, size: Number(image.target.size) };
      if (digest !== undefined && target.digest !== digest) return undefined;
      const blobs = contentBlobs(this.#content, call);
      const best = await bestManifest(blobs, target, this.#import.platform);
      const { config, layers, diffIds } = await unpackable(blobs, best);
      const chain = diffIds.reduce<string | undefined>(chainId, undefined);
      const { snapshotter } = this.#import;
      if (chain !== undefined) await this.#snapshots.Stat({ snapshotter, key: chain }, call);
      return { target, id: config.digest, paths: layers.flatMap(pathsOf) };
    } catch (error) {
      if (error instanceof StatusError && error.code === 'NotFound') return undefined;
      throw error;
    }
  }
}

function pathsOf({ annotations }: Descriptor): readonly StorePath[] {
  const closure = parseLayerAnnotations(new Map(Object.entries(annotations ?? {})));
  return closure === undefined ? [] : namedPaths(closure);
}
