import { Readable } from 'node:stream';
import type { ContentMethods } from '../../proto/gen/messages.ts';
import { StatusError } from '../errors.ts';
import { type Descriptor, MAX_JSON_BYTES } from '../image/descriptor.ts';
import type { BlobReader } from '../image/image-set.ts';
import type { CallOptions, ServiceClient } from '../rpc/client.ts';

/** Blobs of containerd's content store, which has verified them when they came in. */
export function contentBlobs(content: ServiceClient<ContentMethods>, call: CallOptions): BlobReader {
  const path = 'the content store of containerd';
  const open = async ({ digest }: Descriptor) => Readable.from(dataOf(content.Read({ digest }, call)));
  return {
    path,
    open,
    async has({ digest }) {
      try {
        await content.Info({ digest }, call);
        return true;
      } catch (error) {
        if (error instanceof StatusError && error.code === 'NotFound') return false;
        throw error;
      }
    },
    async read(descriptor) {
      const chunks: Buffer[] = [];
      let left = MAX_JSON_BYTES;
      for await (const chunk of await open(descriptor)) {
        chunks.push(chunk as Buffer);
        left -= (chunk as Buffer).length;
        if (left >= 0) continue;
        throw new StatusError(
          'ResourceExhausted',
          `${path}: blob ${descriptor.digest} has more than ${MAX_JSON_BYTES} bytes`,
        );
      }
      return Buffer.concat(chunks);
    },
  };
}

async function* dataOf(answers: AsyncIterable<{ readonly data: Buffer }>): AsyncGenerator<Buffer> {
  for await (const { data } of answers) yield data;
}
