import { type LayerClosure, namedPaths } from '../closure/annotations.ts';
import type { Log } from '../log.ts';
import { sharedDeadline } from '../nix/wait-for.ts';
import type { JudgedLease } from './asking.ts';
import { ImageCache, type ImageLease } from './image-cache.ts';
import { ordinaryImage, type OrdinaryImageDeps } from './ordinary-image.ts';
import type { Wanted } from './reference.ts';
import type { Resolver } from './resolver.ts';
import type { ServedImage } from './served-image.ts';

export interface OrdinaryLayersDeps extends Omit<OrdinaryImageDeps, 'onDamage' | 'realise'> {
  readonly resolver: Pick<Resolver, 'resolveNeeded' | 'realise'>;
  readonly log: Log;
}

interface WithDeadline {
  /** How long Nix is waited for, in milliseconds. */
  readonly deadlineMs: number;
}

/** Requests of one pull come within seconds of each other. */
const KEPT_MS = 60_000;

/** The images of a resolver with ordinary layers: see {@link ordinaryImage}. */
export class OrdinaryLayers implements AsyncDisposable {
  readonly #deps: OrdinaryLayersDeps;
  readonly #images: ImageCache;

  constructor(deps: OrdinaryLayersDeps) {
    this.#deps = deps;
    this.#images = new ImageCache({ idleMs: KEPT_MS }, deps);
  }

  /**
   * The image of a reference, with layers that any client can unpack; its paths are valid and rooted as the resolver's. Dispose of
   * the result. Who asks for the same image at the same time waits for the same work, which stops when all of them have gone.
   *
   * @throws StatusError what the resolver or {@link ordinaryImage} raises; Cancelled when `signal` is aborted.
   */
  async resolve(wanted: Wanted, signal: AbortSignal, { deadlineMs }: WithDeadline): Promise<ImageLease> {
    const remaining = sharedDeadline(signal, deadlineMs);
    const named = await this.#deps.resolver.resolveNeeded(wanted, signal, { deadlineMs });
    let isTaken = false;
    const known = named.image.closures.length;
    try {
      const key = named.image.target.descriptor.digest;
      const open = async (unwanted: AbortSignal): Promise<ServedImage> => {
        isTaken = true;
        return await this.#make(key, named, unwanted);
      };
      const lease = await this.#images.use(key, open, signal);
      try {
        const { closures } = lease.image;
        await this.#realise(named, closures, signal, { from: known, deadlineMs: remaining().deadlineMs });
        return lease;
      } catch (error) {
        lease[Symbol.dispose]();
        throw error;
      }
    } finally {
      if (!isTaken) named[Symbol.dispose]();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#images[Symbol.asyncDispose]();
  }

  /** Makes valid what layers of the image name, those before `from` aside, which are. */
  async #realise(
    { judged, image }: JudgedLease,
    closures: readonly LayerClosure[],
    signal: AbortSignal,
    { from = 0, ...bounds }: { readonly from?: number; readonly deadlineMs?: number } = {},
  ): Promise<void> {
    const also = [...image.closures, ...closures].flatMap(namedPaths);
    await this.#deps.resolver.realise(closures.slice(from), signal, { ...bounds, image: judged, also });
  }

  /** The named image stays in use as long as the made one, which serves its ordinary layers. */
  async #make(key: string, named: JudgedLease, signal: AbortSignal): Promise<ServedImage> {
    const onDamage = (): void => this.#images.forget(key);
    const realise: OrdinaryImageDeps['realise'] = async (closures, gone) =>
      await this.#realise(named, closures, gone);
    try {
      const { target, blobs, closures } = await ordinaryImage(
        named.image,
        { ...this.#deps, realise, onDamage },
        signal,
      );
      return {
        target,
        blobs,
        closures,
        [Symbol.asyncDispose]: async () => named[Symbol.dispose](),
      };
    } catch (error) {
      named[Symbol.dispose]();
      throw error;
    }
  }
}
