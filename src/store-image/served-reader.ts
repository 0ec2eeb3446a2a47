import { StatusError } from '../errors.ts';
import { type Descriptor, MAX_JSON_BYTES } from '../image/descriptor.ts';
import type { BlobReader } from '../image/image-set.ts';
import type { ServedImage } from './served-image.ts';

/** Reads the blobs of an image that is served. */
export function servedReader(image: ServedImage): BlobReader {
  const path = `image ${image.target.descriptor.digest}`;
  const blobOf = ({ digest }: Descriptor) => {
    const blob = digest === image.target.descriptor.digest ? image.target : image.blobs.get(digest);
    if (blob !== undefined) return blob;
    throw new StatusError('NotFound', `${path}: blob ${digest} is missing from it`);
  };
  return {
    path,
    has: async ({ digest }) => image.blobs.has(digest),
    open: async (descriptor) => await blobOf(descriptor).open(),
    read: async (descriptor) => {
      const blob = blobOf(descriptor);
      if (blob.descriptor.size > MAX_JSON_BYTES) {
        throw new StatusError(
          'ResourceExhausted',
          `${path}: blob ${descriptor.digest} is ${blob.descriptor.size} bytes, more than ${MAX_JSON_BYTES}`,
        );
      }
      const chunks: Buffer[] = [];
      for await (const chunk of await blob.open()) chunks.push(chunk as Buffer);
      return Buffer.concat(chunks);
    },
  };
}
