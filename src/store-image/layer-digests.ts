import { createHash } from 'node:crypto';
import pLimit, { type LimitFunction } from 'p-limit';
import type { StorePath } from '../closure/store-path.ts';
import { StatusError } from '../errors.ts';
import { type Descriptor, MEDIA } from '../image/descriptor.ts';
import { storeTar } from '../image/store-tar.ts';
import { waitFor } from '../nix/wait-for.ts';
import { missingPathsError, readEntries } from '../view/entries.ts';
import { fingerprint } from '../view/overlay/fingerprint.ts';
import type { DigestCache } from './digest-cache.ts';

/** Counts up when {@link storeTar} writes other bytes, or the key is another one. */
const FORMAT = 2;
/** Each reads files ahead; hashing takes turns on one thread. */
const CONCURRENCY = 3;

export interface LayerDigestsDeps {
  readonly cache: Pick<DigestCache, 'get' | 'put' | 'forget'>;
  readonly realStoreDir: () => Promise<string>;
}

/** Says what the layer of some store paths is without writing it anywhere: reads them once, then remembers. */
export class LayerDigests {
  readonly #deps: LayerDigestsDeps;
  readonly #limit: LimitFunction = pLimit(CONCURRENCY);

  constructor(deps: LayerDigestsDeps) {
    this.#deps = deps;
  }

  /**
   * The descriptor of the uncompressed tar of store paths; its digest is its diff ID too. A few at a time are computed,
   * whoever asks.
   *
   * @throws StatusError FailedPrecondition for a path that is not on this host; DataLoss for one that cannot be read;
   *   Cancelled when `signal` says that nobody waits any more, be it for its turn.
   */
  async describe(paths: readonly StorePath[], signal: AbortSignal): Promise<Descriptor> {
    const key = await this.#keyOf(paths);
    const known = await this.#deps.cache.get(key);
    if (known !== undefined) return { mediaType: MEDIA.ociLayer, ...known };
    const turn = this.#limit(async () => {
      checkWanted(paths, signal);
      // Another image with the same layer may have been quicker.
      const meanwhile = await this.#deps.cache.get(key);
      if (meanwhile !== undefined) return meanwhile;
      const computed = await this.#compute(paths, signal);
      await this.#deps.cache.put(key, computed);
      return computed;
    });
    return { mediaType: MEDIA.ociLayer, ...(await waitFor(turn, { signal }, () => nameOf(paths))) };
  }

  /** The bytes turned out to be others than were described. */
  async forget(paths: readonly StorePath[]): Promise<void> {
    await this.#deps.cache.forget(await this.#keyOf(paths));
  }

  async #compute(
    paths: readonly StorePath[],
    signal: AbortSignal,
  ): Promise<{ digest: string; size: number }> {
    const hash = createHash('sha256');
    let size = 0;
    for await (const chunk of storeTar(paths, await this.#deps.realStoreDir())) {
      checkWanted(paths, signal);
      hash.update(chunk);
      size += chunk.length;
    }
    return { digest: `sha256:${hash.digest('hex')}`, size };
  }

  /** Of the paths as they are on disk: one that was deleted and built again may have other bytes. */
  async #keyOf(paths: readonly StorePath[]): Promise<string> {
    const realStoreDir = await this.#deps.realStoreDir();
    const { entries, missing } = await readEntries(paths.toSorted(), realStoreDir);
    if (missing.length > 0) throw missingPathsError(missing, realStoreDir);
    return `${FORMAT}:${fingerprint(entries, realStoreDir)}`;
  }
}

function checkWanted(paths: readonly StorePath[], { aborted }: AbortSignal): void {
  if (aborted) throw new StatusError('Cancelled', `${nameOf(paths)}: nobody waits for it`);
}

function nameOf(paths: readonly StorePath[]): string {
  return `layer of ${paths[0] ?? 'no path'}`;
}
