import { LRUCache } from 'lru-cache';

/** More than the images that a node pulls in the minutes that a pull takes. */
const KEPT_IMAGES = 256;

/**
 * The tags that were answered lately. A pull asks for an image by its tag, and then for what the answer names by digest alone;
 * where the tag is part of what is named, it is needed again.
 */
export class RecentTags {
  /** Tag by the digests of its image, by repository and tag. */
  readonly #images = new LRUCache<string, { readonly tag: string; readonly digests: ReadonlySet<string> }>({
    max: KEPT_IMAGES,
  });

  /** @param digests everything that the image consists of. */
  remember(repository: string, tag: string, digests: Iterable<string>): void {
    this.#images.set(`${repository}:${tag}`, { tag, digests: new Set(digests) });
  }

  /** The tag whose image has this digest, if one of the repository was answered lately. */
  tagOf(repository: string, digest: string): string | undefined {
    for (const [key, { tag, digests }] of this.#images) {
      if (key === `${repository}:${tag}` && digests.has(digest)) return tag;
    }
    return undefined;
  }
}
