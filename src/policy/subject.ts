import type { StorePath } from '../closure/store-path.ts';
import type { RealiseCall } from '../nix/realise-queue.ts';

/** Where store paths are asked for: the registry of the resolver, CRI's image service, or the snapshots that containerd makes. */
export type Door = 'resolver' | 'image-service' | 'snapshots';

/** For whom store paths are realised, as far as a door knows. */
export interface Subject {
  /** `snapshots` when left out. */
  readonly door?: Door | undefined;
  /** The canonical reference of the image that is pulled. */
  readonly image?: string | undefined;
  /** What a label says that the image is: it is as true as who wrote it. */
  readonly claimed?: string | undefined;
  /** Store paths that the image needs besides, which count as part of it. */
  readonly also?: readonly StorePath[];
  /** It was let in before, and is brought back: nothing is asked. */
  readonly admitted?: boolean;
}

/** A {@link RealiseCall} that says for whom. */
export interface AdmittedCall extends RealiseCall {
  readonly subject?: Subject;
}
