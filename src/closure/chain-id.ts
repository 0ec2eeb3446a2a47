import { createHash } from 'node:crypto';

/** The chain ID of a layer on top of a chain. Source: OCI image specification, "Layer ChainID". */
export function chainId(parent: string | undefined, diffId: string): string {
  if (parent === undefined) return diffId;
  return `sha256:${createHash('sha256').update(`${parent} ${diffId}`).digest('hex')}`;
}
