import { LRUCache } from 'lru-cache';
import type { LayeredPart } from '../closure/layered.ts';
import type { StorePath } from '../closure/store-path.ts';

/**
 * How often a path is read for layers that are something else. Not once: a closure may be cut into layers in more than one way,
 * and a bad layer must not stand in the way of a good one.
 */
const MAX_READS = 4;

/**
 * How often the paths of closures were read for layers that turned out to be something else. Whoever writes a manifest can claim
 * thousands of overlapping parts of one closure, and each would be read.
 */
export class VainReads {
  /** By `closureInfo`: a number for each place in its list, which never changes. */
  readonly #reads: LRUCache<StorePath, Uint8Array>;

  /** @param options how many closures are remembered, and for how long after the last read. */
  constructor(options: { readonly max: number; readonly ttl: number }) {
    this.#reads = new LRUCache(options);
  }

  /** True for a part that is not to be read: one of its paths was read too often. */
  isSpent({ closureInfo, ranges }: LayeredPart): boolean {
    const reads = this.#reads.get(closureInfo);
    if (reads === undefined) return false;
    return ranges.some(([first, last]) =>
      reads.subarray(first, last + 1).some((count) => count >= MAX_READS),
    );
  }

  /**
   * A part was read, and is not the layer.
   *
   * @param length of the closure's list.
   */
  add({ closureInfo, ranges }: LayeredPart, length: number): void {
    const reads = this.#reads.get(closureInfo) ?? new Uint8Array(length);
    // Callers that read at the same time may be more than are let in: a byte must not begin anew.
    for (const [first, last] of ranges)
      for (let at = first; at <= last; at += 1) reads[at] = Math.min((reads[at] ?? 0) + 1, MAX_READS);
    this.#reads.set(closureInfo, reads);
  }
}
