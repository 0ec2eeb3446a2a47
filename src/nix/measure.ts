import type { StorePath } from '../closure/store-path.ts';

/** What a closure is and takes, as far as the store and its substituters know. */
export interface Measure {
  /** Its paths that are valid, with their NAR bytes. */
  readonly present: ReadonlyMap<StorePath, number>;
  /** Its paths that a substituter has, with their NAR bytes; by `nix-store`, even shares of the sum that it tells. */
  readonly absent: ReadonlyMap<StorePath, number>;
  /** Whether these are all: false where a path is known to nobody, or what it refers to is not told. */
  readonly complete: boolean;
}

export interface MeasureOptions {
  readonly signal?: AbortSignal | undefined;
  /** Asks no substituter: what is not valid is left out. */
  readonly local?: boolean;
}

/** Says what closures take before anything is fetched. */
export interface Measures {
  /**
   * @param paths any; what is not valid is asked for at the substituters, without fetching it.
   * @throws StatusError as {@link NixStore}; a cache that does not answer makes the measure incomplete.
   */
  measure(paths: readonly StorePath[], options?: MeasureOptions): Promise<Measure>;
}

/** NAR bytes of all that is known. */
export function bytesOf({ present, absent }: Pick<Measure, 'present' | 'absent'>): number {
  return sum(present) + sum(absent);
}

export function sum(sizes: ReadonlyMap<StorePath, number>): number {
  let bytes = 0;
  for (const size of sizes.values()) bytes += size;
  return bytes;
}
