import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { execa, ExecaError } from 'execa';
import * as v from 'valibot';
import { errnoOf, StatusError } from '../errors.ts';
import { parseJson } from './descriptor.ts';

/** What a registry is told of the user. */
export type Credentials =
  | { readonly kind: 'basic'; readonly username: string; readonly password: string }
  | { readonly kind: 'identity'; readonly token: string };

const AuthSchema = v.looseObject({
  auth: v.nullish(v.string()),
  username: v.nullish(v.string()),
  password: v.nullish(v.string()),
  identitytoken: v.nullish(v.string()),
});
const ConfigSchema = v.looseObject({
  auths: v.nullish(v.record(v.string(), AuthSchema)),
  credHelpers: v.nullish(v.record(v.string(), v.string())),
  credsStore: v.nullish(v.string()),
});
const HelperSchema = v.looseObject({ Username: v.string(), Secret: v.string() });
type Auth = v.InferOutput<typeof AuthSchema>;

const HELPER_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;
const HELPER_TIMEOUT_MS = 60_000;

/**
 * The credentials that `docker login` left for a registry: `$DOCKER_CONFIG/config.json`, else
 * `~/.docker/config.json`; a helper of the registry's own first, then the common one, then `auths`.
 *
 * @returns undefined when there are none (anonymous).
 * @throws StatusError InvalidArgument for a broken file, FailedPrecondition when a helper fails; never with secrets.
 */
export async function dockerCredentials(
  registry: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Credentials | undefined> {
  const file = join(env['DOCKER_CONFIG'] || join(homedir(), '.docker'), 'config.json');
  const bytes = await readOptional(file);
  if (bytes === undefined) return undefined;
  const config = parseSecrets(ConfigSchema, bytes, file);
  const keys = registryKeys(registry);
  const helper = keys.map((key) => config.credHelpers?.[key]).find(Boolean) ?? config.credsStore;
  if (helper) {
    for (const key of keys) {
      const found = await askHelper(helper, key, env);
      if (found !== undefined) return found;
    }
  }
  const auth = keys.map((key) => config.auths?.[key]).find(Boolean);
  return auth ? credentialsOf(auth, `${file}: auths of ${registry}`) : undefined;
}

/** The spellings under which docker keeps a registry. */
function registryKeys(registry: string): readonly string[] {
  const keys = [registry, `https://${registry}`, `https://${registry}/v1/`, `https://${registry}/v2/`];
  return registry === 'docker.io' ? ['https://index.docker.io/v1/', 'index.docker.io', ...keys] : keys;
}

function credentialsOf(auth: Auth, where: string): Credentials | undefined {
  if (auth.identitytoken) return { kind: 'identity', token: auth.identitytoken };
  if (auth.username && auth.password)
    return { kind: 'basic', username: auth.username, password: auth.password };
  if (!auth.auth) return undefined;
  const text = Buffer.from(auth.auth, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  if (colon <= 0) throw new StatusError('InvalidArgument', `${where}: "auth" is not base64 of user:password`);
  return {
    kind: 'basic',
    username: text.slice(0, colon),
    password: text.slice(colon + 1).replace(/\0+$/, ''),
  };
}

async function askHelper(
  helper: string,
  key: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Credentials | undefined> {
  if (!HELPER_NAME.test(helper)) {
    throw new StatusError(
      'InvalidArgument',
      `docker config: ${JSON.stringify(helper)} is no name of a credential helper`,
    );
  }
  const program = `docker-credential-${helper}`;
  try {
    const { stdout } = await execa(program, ['get'], { input: key, env, timeout: HELPER_TIMEOUT_MS });
    const { Username, Secret } = parseSecrets(HelperSchema, Buffer.from(stdout), `answer of ${program}`);
    if (Username === '<token>') return { kind: 'identity', token: Secret };
    return { kind: 'basic', username: Username, password: Secret };
  } catch (cause) {
    if (!(cause instanceof ExecaError)) throw cause;
    const said = `${cause.stdout ?? ''}${cause.stderr ?? ''}`.trim();
    if (/credentials not found/i.test(said)) return undefined;
    const reason = cause.code === 'ENOENT' ? 'it is not in PATH' : said.slice(-300) || cause.shortMessage;
    throw new StatusError('FailedPrecondition', `${program} get ${key}: ${reason}`, { cause });
  }
}

/** As {@link parseJson}, whose words repeat pieces of what they are about. */
function parseSecrets<T extends v.GenericSchema>(schema: T, bytes: Buffer, where: string): v.InferOutput<T> {
  try {
    return parseJson(schema, bytes, where);
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    throw new StatusError(
      error.code,
      `${where}: not the JSON that Docker writes (\`docker login\` makes it anew)`,
    );
  }
}

async function readOptional(file: string): Promise<Buffer | undefined> {
  try {
    return await readFile(file);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return undefined;
    throw new StatusError('PermissionDenied', `${file}: cannot be read`, { cause: error });
  }
}
