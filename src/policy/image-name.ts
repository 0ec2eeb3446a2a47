import { StatusError } from '../errors.ts';
import { formatReference, parseReference } from '../image/reference.ts';

/** Names of Docker Hub that clients take for `docker.io`. */
const DOCKER_HUB: ReadonlySet<string> = new Set(['index.docker.io', 'registry-1.docker.io']);

/**
 * One spelling of a reference to an ordinary registry, so that a rule cannot be passed by another: the host in lower case, without
 * the port that is https's own, Docker Hub as `docker.io`, the tag `latest` where there is neither tag nor digest. What is no legal
 * reference stays as it is.
 */
export function canonicalReference(text: string): string {
  try {
    const reference = parseReference(withoutHubAlias(text));
    return formatReference({
      ...reference,
      registry: reference.registry.toLowerCase().replace(/:0*443$/, ''),
    });
  } catch (error) {
    if (error instanceof StatusError) return text;
    throw error;
  }
}

function withoutHubAlias(text: string): string {
  const slash = text.indexOf('/');
  const host = text
    .slice(0, Math.max(0, slash))
    .toLowerCase()
    .replace(/:0*443$/, '');
  return DOCKER_HUB.has(host) || host === 'docker.io' ? `docker.io${text.slice(slash)}` : text;
}

/** What a rule may call an image: its canonical reference, with and without tag and digest. */
export function spellings(reference: string): readonly string[] {
  const name = reference.replace(/@[^@/]*$/, '');
  const bare = name.replace(/:[^:/]*$/, '');
  return [...new Set([reference, name, bare])];
}
