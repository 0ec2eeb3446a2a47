import { StatusError } from '../errors.ts';
import { canonicalReference } from '../policy/image-name.ts';
import { parseStoreReference } from './image-reference.ts';
import type { Wanted } from './reference.ts';

/** The host under which rules name what comes from the store, whatever host a client writes. */
const HOST = 'nix:0';

/**
 * One spelling of what a reference to the store asks for: `nix:0/nix/store/<hash>-<name>`, or `nix:0/flake/` and the locked flake
 * as Nix spells it. A hash alone has to be looked up first.
 */
export function judgedImage(wanted: Exclude<Wanted, { readonly kind: 'hash' }>): string {
  return wanted.kind === 'path' ? `${HOST}${wanted.path}` : `${HOST}/flake/${wanted.flake}`;
}

/** The reference by which rules know what a client calls an image; undefined for a hash alone, and for what is no reference. */
export function judgedReference(text: string): string | undefined {
  try {
    const reference = parseStoreReference(text);
    if (reference === undefined) return canonicalReference(text);
    return reference.wanted.kind === 'hash' ? undefined : judgedImage(reference.wanted);
  } catch (error) {
    if (error instanceof StatusError) return undefined;
    throw error;
  }
}
