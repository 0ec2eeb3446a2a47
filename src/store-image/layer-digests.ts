import { createHash } from 'node:crypto';
import pLimit, { type LimitFunction } from 'p-limit';
import type { StorePath } from '../closure/store-path.ts';
import { StatusError } from '../errors.ts';
import { type Descriptor, MEDIA } from '../image/descriptor.ts';
import { storeTar } from '../image/store-tar.ts';
import { readEntries } from '../view/entries.ts';
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
   * @throws StatusError DataLoss for a path that cannot be read; Cancelled when `signal` says that nobody waits any more.
   */
  async describe(paths: readonly StorePath[], signal: AbortSignal): Promise<Descriptor> {
    const key = await this.#keyOf(paths);
    const known = await this.#deps.cache.get(key);
    if (known !== undefined) return { mediaType: MEDIA.ociLayer, ...known };
    return await this.#limit(async () => {
      // Another image with the same layer may have been quicker.
      const meanwhile = await this.#deps.cache.get(key);
      if (meanwhile !== undefined) return { mediaType: MEDIA.ociLayer, ...meanwhile };
      const computed = await this.#compute(paths, signal);
      await this.#deps.cache.put(key, computed);
      return { mediaType: MEDIA.ociLayer, ...computed };
    });
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
      if (signal.aborted)
        throw new StatusError('Cancelled', `layer of ${paths[0] ?? ''}: nobody waits for it`);
      hash.update(chunk);
      size += chunk.length;
    }
    return { digest: `sha256:${hash.digest('hex')}`, size };
  }

  /** Of the paths as they are on disk: one that was deleted and built again may have other bytes. */
  async #keyOf(paths: readonly StorePath[]): Promise<string> {
    const realStoreDir = await this.#deps.realStoreDir();
    const { entries } = await readEntries(paths.toSorted(), realStoreDir);
    return `${FORMAT}:${fingerprint(entries, realStoreDir)}`;
  }
}
