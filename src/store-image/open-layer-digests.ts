import type { Log } from '../log.ts';
import { DigestCache } from './digest-cache.ts';
import { LayerDigests } from './layer-digests.ts';

/** Those of half a dozen large systems, in some megabytes. */
const ENTRIES = 50_000;

/**
 * Makes what says, and remembers, what the layers of store paths are.
 *
 * @param options.directory where they are remembered.
 * @param options.realStoreDir the directory that holds what containers see as `/nix/store`.
 */
export function openLayerDigests(
  options: { readonly directory: string; readonly realStoreDir: () => Promise<string> },
  { log }: { readonly log: Log },
): Pick<LayerDigests, 'describe' | 'forget'> & AsyncDisposable {
  const { directory, realStoreDir } = options;
  const cache = new DigestCache({ directory, entries: ENTRIES }, { log });
  const digests = new LayerDigests({ cache, realStoreDir });
  return {
    describe: (paths, signal) => digests.describe(paths, signal),
    forget: (paths) => digests.forget(paths),
    [Symbol.asyncDispose]: () => cache[Symbol.asyncDispose](),
  };
}
