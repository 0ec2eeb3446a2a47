import { basename, resolve } from 'node:path';
import { STORE_DIR } from '../closure/store-path.ts';
import { formatReference, parseReference } from './reference.ts';

/** References that nix-snapshotter resolves by itself start with this, then the store path of an archive. */
const NIX_PREFIX = 'nix:0/';

/**
 * The full name of an image that is built: the one asked for; else, for an archive in the store, the
 * `nix:0/nix/store/…:latest` by which nodes resolve it; else `localhost/<file name>:latest`.
 *
 * @throws StatusError InvalidArgument when `ref` is no reference.
 */
export function imageName(ref: string | undefined, out: string): string {
  if (ref?.startsWith(NIX_PREFIX) === true) return ref;
  if (ref !== undefined) return formatReference(parseReference(ref));
  const path = resolve(out);
  if (path.startsWith(`${STORE_DIR}/`)) return `nix:0${path}:latest`;
  return `localhost/${repositoryName(basename(path).replace(/(?:\.oci)?(?:\.tar)?(?:\.gz|\.zst)?$/, ''))}:latest`;
}

/** A legal repository component made of any text: lower case, every run of other characters a dash. */
export function repositoryName(text: string): string {
  const name = text
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
    .slice(0, 128);
  return name === '' ? 'image' : name.replace(/-+$/, '');
}
