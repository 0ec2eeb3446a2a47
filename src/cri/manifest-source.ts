import { StatusError } from '../errors.ts';
import type { BlobReader } from '../image/image-set.ts';
import type { Registry } from '../image/registry.ts';
import type { ReadManifest } from './registry-closures.ts';

/** Whoever pulls after us tries again, and knows more ways to the registry. */
const ONCE = { tries: 1 };

/**
 * Reads manifests from a registry, except those that containerd has: a registry may count what is read from it, and the kubelet
 * pulls the same image again and again.
 */
export function manifestSource(
  registry: Pick<Registry, 'manifest' | 'digestOf'>,
  content: Pick<BlobReader, 'read'>,
): ReadManifest {
  const stored = async (digest: string): Promise<Buffer | undefined> => {
    try {
      return await content.read({ mediaType: '', digest, size: 0 });
    } catch (error) {
      // That containerd is away is for the pull to say.
      if (error instanceof StatusError) return undefined;
      throw error;
    }
  };
  return async (reference) => {
    const said = isDigest(reference) ? reference : await registry.digestOf(reference, ONCE);
    const digest = said !== undefined && isDigest(said) ? said : undefined;
    const known = digest === undefined ? undefined : await stored(digest);
    return known ?? (await registry.manifest(digest ?? reference, ONCE));
  };
}

function isDigest(text: string): boolean {
  return /^sha(256|512):[0-9a-f]+$/.test(text);
}
