import type { CriAuthConfig } from '../../proto/gen/messages.ts';
import type { Credentials } from '../image/docker-config.ts';

/** Names under which Docker Hub's logins are kept. */
const DOCKER_HUB: readonly string[] = ['docker.io', 'index.docker.io', 'registry-1.docker.io'];

/**
 * The login that a PullImage brings along, read as containerd does (`ParseAuth` of its CRI plugin).
 *
 * @param registry host and optional port; another server's login is not for it.
 */
export function credentialsOf(auth: CriAuthConfig | null, registry: string): Credentials | undefined {
  if (auth === null || !isFor(auth.server_address, registry)) return undefined;
  const { username, password, identity_token: token } = auth;
  if (username !== '') return { kind: 'basic', username, password };
  if (token !== '') return { kind: 'identity', token };
  const text = Buffer.from(auth.auth, 'base64').toString();
  const colon = text.indexOf(':');
  if (colon < 0) return undefined;
  return {
    kind: 'basic',
    username: text.slice(0, colon),
    password: text.slice(colon + 1).replaceAll(/^\0+|\0+$/g, ''),
  };
}

function isFor(server: string, registry: string): boolean {
  if (server === '') return true;
  const host = server.replace(/^https?:\/\//, '').split('/', 1)[0] ?? '';
  return host === registry || (registry === 'docker.io' && DOCKER_HUB.includes(host));
}
