import { StatusError } from '../errors.ts';

/** An image reference in its parts. */
export interface Reference {
  /** Host and optional port; Docker Hub is `docker.io`. */
  readonly registry: string;
  readonly repository: string;
  readonly tag?: string;
  readonly digest?: string;
}

const DOMAIN = /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]+)?$/;
const REPOSITORY = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const DIGEST = /^sha256:[0-9a-f]{64}$/;

/**
 * Reads a reference as Docker does (distribution `reference` grammar): no host means docker.io, one word
 * there means `library/`, neither tag nor digest means `latest`.
 *
 * @throws StatusError InvalidArgument naming the part that is not legal.
 */
export function parseReference(text: string): Reference {
  const at = text.indexOf('@');
  const digest = at < 0 ? undefined : text.slice(at + 1);
  const name = at < 0 ? text : text.slice(0, at);
  const colon = name.lastIndexOf(':');
  const hasTag = colon > name.lastIndexOf('/');
  const tag = hasTag ? name.slice(colon + 1) : undefined;
  const path = hasTag ? name.slice(0, colon) : name;
  const slash = path.indexOf('/');
  const first = slash < 0 ? '' : path.slice(0, slash);
  const isHost = /[.:]/.test(first) || first === 'localhost' || first !== first.toLowerCase();
  const registry = isHost ? first : 'docker.io';
  const rest = isHost ? path.slice(slash + 1) : path;
  const repository = registry === 'docker.io' && !rest.includes('/') ? `library/${rest}` : rest;

  if (!DOMAIN.test(registry)) throw invalid(text, `registry ${JSON.stringify(registry)} is not a host`);
  if (!REPOSITORY.test(repository) || repository.length > 255) {
    const hint = repository === repository.toLowerCase() ? '' : ' (upper case is not allowed there)';
    throw invalid(text, `repository ${JSON.stringify(repository)} is not legal${hint}`);
  }
  if (tag !== undefined && !TAG.test(tag)) throw invalid(text, `tag ${JSON.stringify(tag)} is not legal`);
  if (digest !== undefined && !DIGEST.test(digest))
    throw invalid(text, `digest ${JSON.stringify(digest)} is not legal`);
  const finalTag = tag ?? (digest === undefined ? 'latest' : undefined);
  return {
    registry,
    repository,
    ...(finalTag === undefined ? {} : { tag: finalTag }),
    ...(digest === undefined ? {} : { digest }),
  };
}

/** The full spelling, as containerd names images: `docker.io/library/busybox:latest`. */
export function formatReference(ref: Reference): string {
  const tag = ref.tag === undefined ? '' : `:${ref.tag}`;
  const digest = ref.digest === undefined ? '' : `@${ref.digest}`;
  return `${ref.registry}/${ref.repository}${tag}${digest}`;
}

/** {@link formatReference} of a legal reference; any other text (such as `nix:0/nix/store/…`) as it is. */
export function normalReference(text: string): string {
  try {
    return formatReference(parseReference(text));
  } catch (error) {
    if (error instanceof StatusError) return text;
    throw error;
  }
}

function invalid(text: string, what: string): StatusError {
  return new StatusError('InvalidArgument', `image reference ${JSON.stringify(text.slice(0, 300))}: ${what}`);
}
