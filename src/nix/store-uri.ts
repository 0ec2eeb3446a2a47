import { isAbsolute, join } from 'node:path';
import { STORE_DIR } from '../closure/store-path.ts';
import { StatusError } from '../errors.ts';

/**
 * The directory on this host that holds the files of a Nix store, from the store's URI (Nix's `store`
 * setting): `auto`, `daemon`, `local`, `unix://…`, `/x` (= `local?root=/x`), each with the parameters
 * `root` and `real`. Source: Nix manual, "Store Types"; nix `src/libstore/local-fs-store.hh`.
 *
 * @throws StatusError InvalidArgument when the store is not on this host, or its store directory is not
 *   `/nix/store` (containers could not see its paths where they expect them).
 */
export function realStoreDirOf(uri: string): string {
  const [base = '', query = ''] = splitOnce(uri.trim(), '?');
  const parameters = new URLSearchParams(query.replaceAll('+', '%2B'));
  const logical = parameters.get('store');
  if (logical !== null && logical !== STORE_DIR) {
    throw refused(uri, `its store directory is ${logical}, containers expect ${STORE_DIR}`);
  }
  const root = parameters.get('root') || rootOfBase(uri, base);
  const real = parameters.get('real') || join(root, STORE_DIR);
  if (!isAbsolute(real)) throw refused(uri, `${real} is not an absolute path`);
  return real;
}

function rootOfBase(uri: string, base: string): string {
  if (base === '' || base === 'auto' || base === 'daemon' || base === 'local') return '/';
  if (base.startsWith('unix://')) return '/';
  if (base.startsWith('local://')) return base.slice('local://'.length) || '/';
  if (isAbsolute(base)) return base;
  throw refused(uri, 'it is not a store of this host');
}

function splitOnce(text: string, separator: string): readonly string[] {
  const at = text.indexOf(separator);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

function refused(uri: string, cause: string): StatusError {
  return new StatusError(
    'InvalidArgument',
    `Nix store ${JSON.stringify(uri)}: ${cause}; set nix.store to auto, daemon, a directory, or local?root=DIR`,
  );
}
