import { parseReference } from '../image/reference.ts';
import { parseWanted, type Wanted } from './reference.ts';

/** An image reference whose host is reserved for store paths. */
export interface StoreReference {
  /** Host and repository. */
  readonly name: string;
  /** Absent in a reference with a digest: containerd drops it there. */
  readonly tag?: string;
  readonly digest?: string;
  readonly wanted: Wanted;
}

/** Hosts that stand for the node's Nix store: the Go version's, and one that is spelled like a host. */
const RESERVED_HOSTS: readonly string[] = ['nix:0', 'nix.local'];

/**
 * Reads an image reference as a client writes it: `nix:0/nix/store/<hash>-<name>` and the other forms of {@link parseWanted},
 * with or without tag and digest.
 *
 * @returns undefined for a reference to an ordinary registry.
 * @throws StatusError InvalidArgument for a reserved host with anything else behind it.
 */
export function parseStoreReference(text: string): StoreReference | undefined {
  if (!RESERVED_HOSTS.some((host) => text.startsWith(`${host}/`))) return undefined;
  const { registry, repository, tag, digest } = parseReference(text);
  const wanted = parseWanted(repository, tag ?? digest ?? '');
  const name = `${registry}/${repository}`;
  if (digest !== undefined) return { name, digest, wanted };
  return { name, ...(tag === undefined ? {} : { tag }), wanted };
}
