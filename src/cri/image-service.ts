import type { CriPullImageRequest } from '../../proto/gen/messages.ts';
import { messageOf, StatusError } from '../errors.ts';
import type { Codec, Method } from '../rpc/proto.ts';
import type { RpcContext } from '../rpc/handler.ts';
import { implement, type Implementation } from '../rpc/implementation.ts';
import { raw } from '../rpc/raw.ts';
import { parseStoreReference } from '../store-image/image-reference.ts';
import type { ImageBackend } from './backend.ts';
import { imageService } from './proto.ts';
import type { ReadAhead } from './read-ahead.ts';
import type { StoreImagePuller } from './store-image-puller.ts';

export interface ImageServiceDeps {
  readonly backend: Pick<ImageBackend, 'forward' | 'forwardStream'>;
  readonly puller: Pick<StoreImagePuller, 'pull'>;
  readonly readAhead: Pick<ReadAhead, 'realise'>;
}

/** `runtime.v1.ImageService` in front of containerd's: store paths are pulled here, all else passes through as it came. */
export function imageServiceOf({ backend, puller, readAhead }: ImageServiceDeps): Implementation {
  return implement(raw(imageService), {
    ListImages: (request, context) => backend.forward('ListImages', request, context),
    StreamImages: (request, context) => backend.forwardStream(request, context),
    ImageStatus: (request, context) => backend.forward('ImageStatus', request, context),
    RemoveImage: (request, context) => backend.forward('RemoveImage', request, context),
    ImageFsInfo: (request, context) => backend.forward('ImageFsInfo', request, context),
    async PullImage(bytes: Buffer, context: RpcContext) {
      const { request: codec, response } = pullImage();
      const { image, auth } = decode(codec, bytes);
      const name = image?.image ?? '';
      const reference = parseStoreReference(name);
      if (reference !== undefined) {
        return response.encode({ image_ref: await puller.pull(reference, context.signal) });
      }
      await readAhead.realise(name, auth, context.signal);
      return await backend.forward('PullImage', bytes, context);
    },
  });
}

function pullImage(): Method {
  const method = imageService.methods.get('PullImage');
  if (method === undefined) throw new Error(`${imageService.name} has no PullImage`);
  return method;
}

function decode(codec: Codec, bytes: Buffer): CriPullImageRequest {
  try {
    return codec.decode(bytes) as CriPullImageRequest;
  } catch (cause) {
    throw new StatusError(
      'InvalidArgument',
      `PullImage: the request cannot be decoded: ${messageOf(cause)}`,
      {
        cause,
      },
    );
  }
}
