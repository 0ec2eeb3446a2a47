import { StatusError } from '../errors.ts';
import { NAMESPACE_KEY, type RpcClient } from '../rpc/client.ts';
import { content } from '../rpc/proto.ts';
import type { BlobLookup } from './known-layers.ts';

/** containerd waits for our answer meanwhile, with its snapshot lock held; in milliseconds. */
const TIMEOUT_MS = 2000;

/** Asks containerd's own content store. Throws StatusError when it does not answer. */
export function blobLookup(containerd: RpcClient): BlobLookup {
  return async (namespace, digest) => {
    const metadata = { [NAMESPACE_KEY]: namespace };
    try {
      await containerd.service(content).Info({ digest }, { metadata, timeoutMs: TIMEOUT_MS });
      return true;
    } catch (error) {
      if (error instanceof StatusError && error.code === 'NotFound') return false;
      throw error;
    }
  };
}
