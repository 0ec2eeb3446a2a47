import { DigestCache } from './digest-cache.ts';
import { LayerDigests } from './layer-digests.ts';
import { OrdinaryLayers, type OrdinaryLayersDeps } from './ordinary-layers.ts';

/** Those of half a dozen large systems, in some megabytes. */
const ENTRIES = 50_000;

/**
 * Makes what serves images with ordinary layers.
 *
 * @param options.digests directory where digests of layers are remembered.
 */
export function openOrdinaryLayers(
  options: { readonly digests: string },
  deps: Omit<OrdinaryLayersDeps, 'digests'>,
): Pick<OrdinaryLayers, 'resolve'> & AsyncDisposable {
  const parts = new AsyncDisposableStack();
  const cache = parts.use(new DigestCache({ directory: options.digests, entries: ENTRIES }, deps));
  const digests = new LayerDigests({ cache, realStoreDir: () => deps.nix.realStoreDir() });
  const layers = parts.use(new OrdinaryLayers({ ...deps, digests }));
  return {
    resolve: (wanted, signal, deadlineMs) => layers.resolve(wanted, signal, deadlineMs),
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}
