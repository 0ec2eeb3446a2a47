import { chainId } from '../closure/chain-id.ts';

/** What a layer's name ends with, whether its client committed it or it is a known one that kept its key. */
const CHAIN_ID = /sha256:[0-9a-f]{64}$/;

/**
 * True when `reference` is the chain ID of a layer with this diff ID on this parent.
 *
 * @param parent name of the parent, '' for none.
 */
export function isChainId(reference: string, parent: string, diffId: string): boolean {
  if (parent === '') return chainId(undefined, diffId) === reference;
  const below = CHAIN_ID.exec(parent)?.[0];
  return below !== undefined && chainId(below, diffId) === reference;
}
