import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { messageOf } from '../errors.ts';
import { withoutCredentials, withoutPasswords } from '../nix/substituter-answers.ts';
import { besideOf, environment, type NixStoreOptions, settingsOf } from '../nix/nix-options.ts';
import { RealiseLog } from '../nix/realise-log.ts';
import { runNix } from '../nix/run-nix.ts';
import { failure, fine, type Finding, warning } from './finding.ts';

/** What one cache answered. */
export interface SubstituterFacts {
  /** Without credentials. */
  readonly address: string;
  /** Undefined where it answered as a cache does. */
  readonly problem: string | undefined;
}

export interface SubstitutersFacts {
  readonly substituters: readonly SubstituterFacts[];
  /** Keys in `trusted-public-keys`, and whether signatures are demanded at all. */
  readonly keys: number;
  readonly requiresSignatures: boolean;
}

const COMMANDS = ['--extra-experimental-features', 'nix-command'];
/** Nix asks a cache that does not answer five times. */
const ONCE = ['--option', 'download-attempts', '1', '--option', 'connect-timeout', '5'];
const MAX_OUTPUT = 1024 * 1024;

/**
 * Asks each cache of this host, by Nix itself, so that credentials, proxies and certificates are those that a pull has.
 * Nix remembers for a week that a cache is there: it is given an empty memory, which is thrown away.
 *
 * @throws StatusError FailedPrecondition when `nix` is absent, Cancelled.
 */
export async function readSubstituters(
  options: NixStoreOptions,
  { env, signal }: { readonly env: NodeJS.ProcessEnv; readonly signal: AbortSignal },
): Promise<SubstitutersFacts> {
  const program = besideOf(options.program ?? 'nix-store', 'nix');
  const { store: _, ...others } = options;
  const settings = settingsOf(others);
  const memory = await mkdtemp(join(tmpdir(), 'nix-snapshotter-doctor-'));
  try {
    const variables = { ...environment(env), XDG_CACHE_HOME: memory, NIX_CACHE_HOME: memory };
    const run = async (args: readonly string[]) => {
      const log = new RealiseLog();
      const all = [...args, ...COMMANDS, ...settings];
      const onLine = (line: string) => {
        log.add(line);
      };
      const { exitCode, stdout } = await runNix({
        program,
        args: all,
        env: variables,
        maxOutput: MAX_OUTPUT,
        signal,
        onLine,
      });
      const errors = log.record().messages.filter((message) => message.startsWith('error'));
      return { isDone: exitCode === 0, stdout, error: errors.at(-1) ?? `exit status ${exitCode}` };
    };
    // The second is the older name of the first (before Nix 2.20).
    const shown = await run(['config', 'show']);
    const config = shown.isDone ? shown.stdout : (await run(['show-config'])).stdout;
    const words = (name: string) =>
      settingIn(config, name)
        .split(' ')
        .filter((word) => word !== '');
    const addresses = options.substituters ?? words('substituters');
    const substituters = addresses.map(async (address): Promise<SubstituterFacts> => {
      const shownAddress = withoutCredentials(address);
      try {
        const { isDone, error } = await run(['store', 'ping', '--store', address, ...ONCE]);
        return { address: shownAddress, problem: isDone ? undefined : withoutPasswords(error).slice(0, 300) };
      } catch (error) {
        return { address: shownAddress, problem: messageOf(error) };
      }
    });
    return {
      substituters: await Promise.all(substituters),
      keys: words('trusted-public-keys').length,
      requiresSignatures: settingIn(config, 'require-sigs') !== 'false',
    };
  } finally {
    await rm(memory, { recursive: true, force: true });
  }
}

/** The value of one setting in what `nix config show` prints. */
export function settingIn(config: string, name: string): string {
  return new RegExp(`^${name} = (.*)$`, 'm').exec(config)?.[1] ?? '';
}

/** Whether the caches of this host answer, and their signatures can be checked. */
export function judgeSubstituters({
  substituters,
  keys,
  requiresSignatures,
}: SubstitutersFacts): readonly Finding[] {
  if (substituters.length === 0)
    return [
      warning('substituters-none', {
        what: 'this host has no substituters',
        why: 'only store paths that are here already can be run',
        fix: 'name a binary cache in /etc/nix/nix.conf (substituters, trusted-public-keys), then restart Nix’s daemon',
        commands: ['systemctl restart nix-daemon.service'],
      }),
    ];
  const findings: Finding[] = [];
  for (const { address, problem } of substituters) {
    if (problem === undefined) continue;
    const isRefused = /\b(?:401|403)\b/.test(problem);
    findings.push(
      isRefused
        ? failure('substituter-refuses', {
            what: `${address} refuses: ${problem}`,
            why: 'store paths that only it has cannot be realised',
            fix: 'put user and password into the netrc-file of /etc/nix/nix.conf (machine, login, password), readable for Nix’s daemon',
          })
        : failure('substituter-down', {
            what: `${address} does not answer as a binary cache does: ${problem}`,
            why: 'store paths that only it has cannot be realised, and each realise waits for it',
            fix: 'mend the cache or the way to it; or take it out of substituters (/etc/nix/nix.conf, or nix.substituters in the daemon’s configuration)',
          }),
    );
  }
  if (keys === 0 && requiresSignatures)
    findings.push(
      failure('substituters-keys', {
        what: 'trusted-public-keys is empty, and signatures are demanded',
        why: 'nothing that a cache has is accepted',
        fix: 'add the public key of each cache to trusted-public-keys in /etc/nix/nix.conf, then restart Nix’s daemon',
        commands: ['systemctl restart nix-daemon.service'],
      }),
    );
  return findings.length > 0
    ? findings
    : [fine('substituters', `${substituters.map(({ address }) => address).join(', ')}: answers`)];
}
