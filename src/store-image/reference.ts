import { parseStorePath, STORE_DIR, type StorePath } from '../closure/store-path.ts';
import { StatusError } from '../errors.ts';
import { FLAKE_PREFIX, parseFlake } from './flake-reference.ts';

/** What a reference asks for. */
export type Wanted =
  | { readonly kind: 'path'; readonly path: StorePath }
  /** The path with this hash, of the store or of a cache. */
  | { readonly kind: 'hash'; readonly hash: string }
  /** A locked flake, as Nix spells it. */
  | { readonly kind: 'flake'; readonly flake: string };

const STORE_PREFIX = `${STORE_DIR.slice(1)}/`;
const HASH = /^[0-9abcdfghijklmnpqrsvwxyz]{32}$/;
const DIGEST = /^sha256:[0-9a-f]{64}$/;
/** The tag of a reference without one. */
const NO_TAG = 'latest';

/** True for the digest form of a reference. */
export function isDigest(reference: string): boolean {
  return DIGEST.test(reference);
}

/**
 * Reads what follows the reserved host in an image reference, as a registry is asked for it: a repository, and a tag or a
 * digest.
 *
 * - `nix/store/<hash>-<name>` (the Go version's form) and `<hash>-<name>`: that path, whatever the tag.
 * - `<hash>` with a tag: `<hash>-<tag>`, for names that a repository cannot spell (a tag may have upper case).
 * - `<hash>` without a tag, or with a digest: the path of the store, or of a cache, that has this hash.
 * - `flake/…`: {@link parseFlake}.
 *
 * @throws StatusError InvalidArgument that names the forms.
 */
export function parseWanted(repository: string, reference: string): Wanted {
  if (repository.startsWith(FLAKE_PREFIX)) {
    return { kind: 'flake', flake: parseFlake(repository, isDigest(reference) ? undefined : reference) };
  }
  const name = repository.startsWith(STORE_PREFIX) ? repository.slice(STORE_PREFIX.length) : repository;
  if (HASH.test(name)) {
    if (reference === NO_TAG || isDigest(reference)) return { kind: 'hash', hash: name };
    return { kind: 'path', path: checked(`${name}-${reference}`, repository) };
  }
  return { kind: 'path', path: checked(name, repository) };
}

function checked(name: string, repository: string): StorePath {
  const path = parseStorePath(`${STORE_DIR}/${name}`);
  if (path !== undefined) return path;
  throw new StatusError(
    'InvalidArgument',
    `${JSON.stringify(repository.slice(0, 300))} names no store path; write nix:0/nix/store/<hash>-<name>, ` +
      'nix:0/<hash>-<name>, nix:0/<hash>:<name> for a name with upper case, or nix:0/<hash> for any name',
  );
}
