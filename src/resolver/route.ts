import type { IncomingMessage } from 'node:http';
import { StatusError } from '../errors.ts';
import { isDigest } from '../store-image/reference.ts';

/** What a request asks for. */
export type Route =
  | { readonly kind: 'base' }
  | { readonly kind: 'manifest'; readonly repository: string; readonly reference: string }
  | { readonly kind: 'blob'; readonly repository: string; readonly digest: string }
  | { readonly kind: 'referrers' }
  | { readonly kind: 'tags'; readonly repository: string };

/** A repository has at most 255 characters, a tag 128. */
const MAX_URL = 1024;
const PATH = /^\/v2\/(?<repository>[^?]+)\/(?<what>manifests|blobs|referrers)\/(?<reference>[^/?]+)$/;
const TAGS = /^\/v2\/(?<repository>[^?]+)\/tags\/list$/;
/** What a store path's name, or a flake, can be spelled with; more than the specification's grammar, for clients that are lax. */
const REPOSITORY = /^[\w.+=/-]+$/;
const TAG = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;

/**
 * Reads a request (OCI distribution specification, "Endpoints", those of a pull). The query (containerd's `ns`) says nothing
 * that the path does not.
 *
 * @throws StatusError Unimplemented for another method or path, InvalidArgument for a reference that is neither tag nor digest.
 */
export function parseRoute({ method, url = '' }: Pick<IncomingMessage, 'method' | 'url'>): Route {
  if (method !== 'GET' && method !== 'HEAD') {
    throw new StatusError('Unimplemented', `${method}: images can be pulled from here, nothing else`);
  }
  if (url.length > MAX_URL) throw new StatusError('InvalidArgument', `the path is longer than ${MAX_URL}`);
  const path = url.split('?', 1)[0] ?? '';
  if (path === '/v2/' || path === '/v2') return { kind: 'base' };
  const listed = TAGS.exec(path)?.groups?.['repository'];
  if (listed !== undefined) return { kind: 'tags', repository: checked(listed) };
  const { repository: name = '', what, reference = '' } = PATH.exec(path)?.groups ?? {};
  const repository = what === undefined ? '' : checked(name);
  switch (what) {
    case 'manifests':
      if (!isDigest(reference) && !TAG.test(reference)) throw unreadable(reference);
      return { kind: 'manifest', repository, reference };
    case 'blobs':
      if (!isDigest(reference)) throw unreadable(reference);
      return { kind: 'blob', repository, digest: reference };
    case 'referrers':
      return { kind: 'referrers' };
    default:
      throw new StatusError(
        'Unimplemented',
        `${JSON.stringify(path)}: images can be pulled from here, nothing else`,
      );
  }
}

function checked(repository: string): string {
  if (REPOSITORY.test(repository)) return repository;
  throw new StatusError(
    'InvalidArgument',
    `${JSON.stringify(repository.slice(0, 300))} names no store path: it has characters that no repository has`,
  );
}

function unreadable(reference: string): StatusError {
  return new StatusError(
    'InvalidArgument',
    `${JSON.stringify(reference)} is neither a tag nor a sha256 digest`,
  );
}
