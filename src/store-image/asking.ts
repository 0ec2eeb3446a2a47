import type { StorePath } from '../closure/store-path.ts';
import type { Door } from '../policy/subject.ts';
import type { ImageLease } from './image-cache.ts';

/** How an image is asked for. */
export interface Asking {
  /** How long Nix is waited for in all, in milliseconds; no longer than the configured deadline. */
  readonly deadlineMs?: number | undefined;
  /** `resolver` when left out. */
  readonly door?: Door | undefined;
}

/** For which image closures are realised. */
export interface RealiseImage extends Asking {
  /** As rules call it: see `judged-image.ts`. */
  readonly image: string | undefined;
  /** Store paths that it needs besides. */
  readonly also?: readonly StorePath[];
}

/** An image, and what the policy's rules call it. */
export interface JudgedLease extends ImageLease {
  readonly judged: string;
}
