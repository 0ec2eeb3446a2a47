import * as v from 'valibot';
import { StatusError } from '../errors.ts';
import { parseJson } from './descriptor.ts';
import type { Credentials } from './docker-config.ts';
import type { Challenge } from './registry-challenge.ts';
import { responseText } from './response-text.ts';

/** Longest answer of a token server that is read, in bytes. */
const MAX_TOKEN_BYTES = 1024 * 1024;

const TokenSchema = v.looseObject({ token: v.nullish(v.string()), access_token: v.nullish(v.string()) });

/**
 * The `Authorization` header that answers a challenge: Basic, or a token from the realm the registry names
 * (distribution specification, "Token Authentication"; an identity token goes by OAuth2).
 *
 * @param scope such as `repository:app:pull,push`.
 * @throws StatusError PermissionDenied when the realm refuses, InvalidArgument for a challenge that cannot be met.
 */
export async function authorize(
  challenge: Challenge,
  credentials: Credentials | undefined,
  scope: string,
  registry: string,
  send: (request: Request) => Promise<Response>,
): Promise<string> {
  if (challenge.scheme === 'basic') {
    if (credentials?.kind === 'basic') return basic(credentials);
    throw new StatusError('PermissionDenied', `registry ${registry} wants a login: docker login ${registry}`);
  }
  const realm = realmOf(challenge, registry);
  const service = challenge.parameters.get('service') ?? '';
  const response = await send(tokenRequest(realm, service, scope, credentials));
  if (!response.ok) {
    const body = await responseText(response, 300);
    const code = response.status === 401 || response.status === 403 ? 'PermissionDenied' : 'Unavailable';
    throw new StatusError(
      code,
      `registry ${registry}: ${realm.origin} gave no token for ${scope}: status ${response.status}: ${body}`,
    );
  }
  const answer = parseJson(
    TokenSchema,
    Buffer.from(await responseText(response, MAX_TOKEN_BYTES)),
    `token from ${realm.origin}`,
  );
  const token = answer.token || answer.access_token;
  if (!token)
    throw new StatusError('Unavailable', `registry ${registry}: ${realm.origin} answered without a token`);
  return `Bearer ${token}`;
}

/** Credentials go to the realm: never over plain HTTP to another machine. */
function realmOf(challenge: Challenge, registry: string): URL {
  const text = challenge.parameters.get('realm') ?? '';
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === 'https:' || (url?.protocol === 'http:' && isLoopback(url.hostname))) return url;
  throw new StatusError(
    'InvalidArgument',
    `registry ${registry}: its token realm ${JSON.stringify(text.slice(0, 300))} is no https URL`,
  );
}

function tokenRequest(
  realm: URL,
  service: string,
  scope: string,
  credentials: Credentials | undefined,
): Request {
  if (credentials?.kind === 'identity') {
    const body = new URLSearchParams({
      grant_type: 'refresh_token',
      refresh_token: credentials.token,
      service,
      scope,
      client_id: 'nix2container',
    });
    return new Request(realm, { method: 'POST', body });
  }
  const url = new URL(realm);
  if (service !== '') url.searchParams.set('service', service);
  url.searchParams.set('scope', scope);
  return new Request(
    url,
    credentials === undefined ? {} : { headers: { authorization: basic(credentials) } },
  );
}

function basic({ username, password }: { username: string; password: string }): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

/** True for this machine itself. */
export function isLoopback(host: string): boolean {
  const name = host.replace(/^\[|\]$/g, '');
  return name === 'localhost' || name === '::1' || /^127(?:\.\d{1,3}){3}$/.test(name);
}
