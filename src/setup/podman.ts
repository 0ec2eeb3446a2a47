import { isDeepStrictEqual } from 'node:util';
import { StatusError } from '../errors.ts';
import { type FileChange, ownFile } from './file-change.ts';
import { HEADER } from './marker.ts';

/** Hosts that podman is to find below the resolver's ordinary layers: its own, and those that containerd's clients use. */
const PREFIXES = ['nix-layers.local', 'nix:0', 'nix.local'];

/** The registries that podman, buildah and skopeo take these hosts for (containers-registries.conf(5)). */
export function podmanRegistries(path: string, resolver: string): FileChange {
  const below = PREFIXES.map((prefix) => `prefix = "${prefix}"\nlocation = "${resolver}/layers"`);
  const tables = [...below, `location = "${resolver}"`].map(
    (keys) => `[[registry]]\n${keys}\ninsecure = true\n`,
  );
  return ownFile(path, [HEADER, '', ...tables].join('\n'));
}

/**
 * The user's credentials with those of the resolver (containers-auth.json(5)); nobody else's are touched.
 *
 * @param before text of the file; undefined when there is none.
 * @throws StatusError FailedPrecondition naming the file when it is no JSON object.
 */
export function podmanAuth(
  path: string,
  before: string | undefined,
  { resolver, token }: { readonly resolver: string; readonly token: string },
): FileChange | undefined {
  const entry = { auth: Buffer.from(`nix-snapshotter:${token}`).toString('base64') };
  const file = before === undefined ? {} : parseObject(path, before);
  const auths = file['auths'] ?? {};
  if (!isObject(auths)) throw notJson(path, '"auths" is not an object');
  if (isDeepStrictEqual(auths[resolver], entry)) return undefined;
  const indent = /^\{\r?\n([ \t]+)/.exec(before ?? '')?.[1] ?? '  ';
  const text = `${JSON.stringify({ ...file, auths: { ...auths, [resolver]: entry } }, undefined, indent)}\n`;
  return {
    path,
    text,
    mode: 0o600,
    secret: true,
    removal: { kind: 'json-keys', keys: [['auths', resolver]] },
  };
}

function parseObject(path: string, text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw notJson(path, error instanceof Error ? error.message : String(error));
  }
  if (!isObject(value)) throw notJson(path, 'an object is expected');
  return value;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function notJson(path: string, cause: string): StatusError {
  return new StatusError(
    'FailedPrecondition',
    `${path} is not the JSON it should be: ${cause}; repair it, then run setup again`,
  );
}
