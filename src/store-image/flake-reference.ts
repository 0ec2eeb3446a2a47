import { parseStorePath, STORE_DIR } from '../closure/store-path.ts';
import { StatusError } from '../errors.ts';

/** Repositories below this name are flakes. */
export const FLAKE_PREFIX = 'flake/';

/** What stands between slashes; nothing that Nix reads as the end of a part. */
const NAME = /^[\w.-]+$/;
const REVISION = /^[0-9a-f]{40}$/;
/** Services whose flakes Nix reads as `<service>:<owner>/<repository>/<revision>`. */
const SERVICES: readonly string[] = ['github', 'gitlab'];
const NO_TAG = 'latest';

/**
 * Reads a flake as a repository and a tag spell it. Only a locked one is taken: by a revision, or a path of the store.
 *
 * - `flake/github/<owner>/<repository>/<revision>[/<attribute>…]`, `gitlab` likewise
 * - `flake/path/<hash>-<name>[/<attribute>…]`: a source tree in the store
 *
 * Parts of an attribute path that have upper case are written in the tag; a tag `latest` or none adds nothing.
 *
 * @returns the flake as Nix spells it, with `#attribute` unless it is the default one.
 * @throws StatusError InvalidArgument that names the forms.
 */
export function parseFlake(repository: string, tag: string | undefined): string {
  const [kind = '', ...rest] = repository.slice(FLAKE_PREFIX.length).split('/');
  const { url, attributes } = locked(kind, rest) ?? refuse(repository);
  const path = [...attributes, ...(tag === undefined || tag === NO_TAG ? [] : [tag])].join('.');
  return path === '' ? url : `${url}#${path}`;
}

function locked(
  kind: string,
  rest: readonly string[],
): { readonly url: string; readonly attributes: readonly string[] } | undefined {
  if (kind === 'path') {
    const [name = '', ...attributes] = rest;
    const path = parseStorePath(`${STORE_DIR}/${name}`);
    const isLegal = path !== undefined && attributes.every((part) => NAME.test(part));
    return isLegal ? { url: `path:${path}`, attributes } : undefined;
  }
  const [owner = '', name = '', revision = '', ...attributes] = rest;
  if (!SERVICES.includes(kind) || !NAME.test(owner) || !NAME.test(name)) return undefined;
  if (!REVISION.test(revision) || !attributes.every((part) => NAME.test(part))) return undefined;
  return { url: `${kind}:${owner}/${name}/${revision}`, attributes };
}

function refuse(repository: string): never {
  throw new StatusError(
    'InvalidArgument',
    `${JSON.stringify(repository.slice(0, 300))} names no locked flake; write ` +
      'nix:0/flake/github/<owner>/<repository>/<revision of 40 digits>:<attribute> (or gitlab), or nix:0/flake/path/<hash>-<name>:<attribute>',
  );
}
