import type { Log } from '../log.ts';
import type { NixStore } from '../nix/store.ts';
import { createRpcClient } from '../rpc/client.ts';
import type { Implementation } from '../rpc/implementation.ts';
import type { NodeImages } from '../store-image/node-images.ts';
import { nodePlatform } from '../store-image/node-platform.ts';
import type { Resolver } from '../store-image/resolver.ts';
import { ImageBackend } from './backend.ts';
import { imageServiceOf } from './image-service.ts';
import { ReadAhead } from './read-ahead.ts';
import { NAMESPACE, StoreImagePuller } from './store-image-puller.ts';

/** The image service; disposing of it breaks off what it brings into containerd. */
export interface ImageService extends AsyncDisposable {
  readonly implementation: Implementation;
}

export interface ImageServiceOptions {
  /** containerd's socket, which need not be there yet. */
  readonly address: string;
  /** What our proxy plugin is called there. */
  readonly snapshotter: string;
}

export function openImageService(
  { address, snapshotter }: ImageServiceOptions,
  {
    resolver,
    images,
    nix,
    log,
  }: {
    readonly resolver: Resolver;
    readonly images: NodeImages;
    readonly nix: NixStore;
    readonly log: Log;
  },
): ImageService {
  const platform = nodePlatform();
  const backend = new ImageBackend({ address });
  const containerd = createRpcClient({ address, namespace: NAMESPACE });
  const puller = new StoreImagePuller(
    { address, platform, snapshotter },
    { resolver, images, nix, backend, containerd },
  );
  const readAhead = new ReadAhead({ platform }, { resolver, containerd, log });
  return {
    implementation: imageServiceOf({ backend, puller, readAhead }),
    async [Symbol.asyncDispose]() {
      await puller[Symbol.asyncDispose]();
      backend[Symbol.dispose]();
      containerd.close();
    },
  };
}
