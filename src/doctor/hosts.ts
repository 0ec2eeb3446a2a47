import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { parse, TomlError, type TomlTable } from 'smol-toml';
import { errnoOf, messageOf } from '../errors.ts';
import { type Commands, shellWord } from './commands.ts';
import { failure, fine, type Finding } from './finding.ts';

/** How a client is led to the resolver, as one file says. */
export interface HostsFile {
  readonly host: string;
  /** The first that is there; undefined where none is. */
  readonly path?: string;
  readonly mode?: number;
  /** Why it cannot be read. */
  readonly unreadable?: string;
  readonly leadsToResolver?: boolean;
  /** Whether its token is the daemon's; undefined where that could not be read. */
  readonly hasToken?: boolean | undefined;
}

export interface HostsFacts {
  /** `http://<address>` of the resolver. */
  readonly resolver: string;
  readonly directories: readonly string[];
  readonly files: readonly HostsFile[];
  /** What the resolver answered: an HTTP status, or why there is none. */
  readonly answer: number | string;
}

/** containerd spells the host `nix:0` so (its `docs/hosts.md`). */
const HOSTS = [
  ['nix:0', 'nix_0_'],
  ['nix.local', 'nix.local'],
] as const;

/**
 * Looks at the files for the reserved hosts, and asks the resolver.
 *
 * @param tokenFile where the daemon keeps the token.
 */
export async function readHosts(
  {
    resolver,
    directories,
    tokenFile,
  }: Pick<HostsFacts, 'resolver' | 'directories'> & { readonly tokenFile: string },
  signal: AbortSignal,
): Promise<HostsFacts> {
  const token = await readFile(tokenFile, 'utf8').then(
    (text) => text.trim(),
    () => undefined,
  );
  const files = await Promise.all(
    HOSTS.map(async ([host, folder]) => await hostsFile(host, folder, { resolver, directories, token })),
  );
  return { resolver, directories, files, answer: await ask(resolver, token, signal) };
}

async function hostsFile(
  host: string,
  folder: string,
  {
    resolver,
    directories,
    token,
  }: Pick<HostsFacts, 'resolver' | 'directories'> & { readonly token: string | undefined },
): Promise<HostsFile> {
  for (const directory of directories) {
    const path = join(directory, folder, 'hosts.toml');
    try {
      const { mode } = await stat(path);
      const table = tableOf(tableOf(parse(await readFile(path, 'utf8')))['host']);
      const authorization = tableOf(tableOf(table[resolver])['header'])['authorization'];
      return {
        host,
        path,
        mode: mode & 0o7777,
        leadsToResolver: resolver in table,
        hasToken: token === undefined ? undefined : authorization === `Bearer ${token}`,
      };
    } catch (error) {
      if (['ENOENT', 'ENOTDIR'].includes(errnoOf(error) ?? '')) continue;
      // What smol-toml says has the lines around: a token may be in them.
      return {
        host,
        path,
        unreadable: error instanceof TomlError ? `line ${error.line} is not TOML` : messageOf(error),
      };
    }
  }
  return { host };
}

async function ask(
  resolver: string,
  token: string | undefined,
  signal: AbortSignal,
): Promise<number | string> {
  try {
    const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const limit = AbortSignal.any([signal, AbortSignal.timeout(5000)]);
    const response = await fetch(`${resolver}/v2/`, { headers, signal: limit });
    await response.body?.cancel();
    return response.status;
  } catch (error) {
    const cause = error instanceof Error ? error.cause : undefined;
    return messageOf(cause ?? error);
  }
}

/** Whether clients are led to the resolver, and it lets them in. */
export function judgeHosts(facts: HostsFacts, commands: Commands): readonly Finding[] {
  const { resolver, directories, files, answer } = facts;
  const findings: Finding[] = [];
  const missing = files.filter(({ path }) => path === undefined).map(({ host }) => host);
  if (missing.length > 0)
    findings.push(
      failure('hosts-missing', {
        what: `no hosts.toml leads ${missing.join(' and ')} to the resolver, in ${directories.join(' and ')}`,
        why: `a pull of ${missing[0]}/… fails with "no such host"`,
        fix: 'setup writes them; nothing has to be restarted',
        commands: [commands.setup],
      }),
    );
  for (const { path, unreadable, mode = 0, leadsToResolver, hasToken } of files) {
    if (path === undefined) continue;
    if (unreadable !== undefined)
      findings.push(
        failure('hosts-unreadable', {
          what: `${path}: ${unreadable}`,
          why: 'pulls of store paths fail',
          fix: 'move it away and let setup write it',
          commands: [`mv ${shellWord(path)} ${shellWord(`${path}.moved`)}`, commands.setup],
        }),
      );
    else if (leadsToResolver !== true || hasToken === false)
      findings.push(
        failure('hosts-outdated', {
          what: `${path} ${leadsToResolver === true ? 'has another token than the daemon' : `does not lead to ${resolver}`}`,
          why: `pulls of store paths fail: ${leadsToResolver === true ? '401 Unauthorized' : 'connection refused'}`,
          fix: 'setup writes what the daemon has now; nothing has to be restarted',
          commands: [`mv ${shellWord(path)} ${shellWord(`${path}.moved`)}`, commands.setup],
        }),
      );
    if ((mode & 0o077) !== 0 && unreadable === undefined)
      findings.push(
        failure('hosts-mode', {
          what: `${path} has mode ${mode.toString(8)}`,
          why: 'other users can read the token of the resolver, and have it realise store paths',
          fix: 'nobody but its owner may read it',
          commands: [`chmod 600 ${shellWord(path)}`],
        }),
      );
  }
  if (answer !== 200)
    findings.push(
      failure('resolver-silent', {
        what: `the resolver at ${resolver} does not serve: ${typeof answer === 'number' ? `HTTP ${answer}` : answer}`,
        why: 'no store path can be pulled by its name',
        fix: 'something else may listen on that port: choose another resolver.address, run setup again; or restart the daemon',
        commands: [commands.restartDaemon],
      }),
    );
  return findings.length > 0
    ? findings
    : [fine('hosts', `nix:0 and nix.local lead to the resolver at ${resolver}, which answers`)];
}

function tableOf(value: unknown): TomlTable {
  const isTable = typeof value === 'object' && value !== null && !Array.isArray(value);
  return isTable ? (value as TomlTable) : {};
}
