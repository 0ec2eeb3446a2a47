import { statSync } from 'node:fs';
import { messageOf } from '../errors.ts';
import { silentLog } from '../log.ts';
import { DaemonConnection } from '../nix/daemon/connection.ts';
import { daemonEndpoint } from '../nix/daemon/endpoint.ts';
import type { DaemonPeer } from '../nix/daemon/handshake.ts';
import { connectSocket } from '../nix/daemon/transport.ts';
import { environment, type NixStoreOptions } from '../nix/nix-options.ts';
import { runNix } from '../nix/run-nix.ts';
import { StoreLocation } from '../nix/store-location.ts';
import { type Commands, shellWord } from './commands.ts';
import { failure, fine, type Finding, warning } from './finding.ts';

export interface NixFacts {
  readonly program: string;
  /** What `nix-store --version` says, or why it says nothing. */
  readonly version: { readonly said: string } | { readonly missing: string };
  /** The store directory on this host, or why there is none. */
  readonly store: { readonly directory: string; readonly isThere: boolean } | { readonly unusable: string };
  /** Undefined where the store has no daemon: it is a local one. */
  readonly daemon?:
    | {
        readonly socket: string;
        /** Whether the daemon is needed: else a process of Nix serves the store. */
        readonly isNeeded: boolean;
        readonly answer: DaemonPeer | { readonly refusal: string };
      }
    | undefined;
  /** Whether the daemon’s configuration has substituters of its own, which an untrusted user may not choose. */
  readonly choosesSubstituters: boolean;
}

/** Asks Nix for its version, its store, and its daemon. */
export async function readNix(
  options: NixStoreOptions & { readonly backend: string },
  {
    env,
    isRoot,
    signal,
  }: { readonly env: NodeJS.ProcessEnv; readonly isRoot: boolean; readonly signal: AbortSignal },
): Promise<NixFacts> {
  const program = options.program ?? 'nix-store';
  const version = await versionOf(program, env, signal);
  const store = await storeOf(options, env);
  const endpoint = 'uri' in store ? daemonEndpoint(store.uri, env) : undefined;
  const choosesSubstituters = options.substituters !== undefined;
  if (endpoint?.kind !== 'socket' || options.backend === 'nix-store')
    return { program, version, store, choosesSubstituters };
  const { path: socket, orStdio } = endpoint;
  const isNeeded = !orStdio || !isRoot;
  // A host without a daemon of Nix is one that root alone uses.
  if (!isNeeded && statSync(socket, { throwIfNoEntry: false }) === undefined)
    return { program, version, store, choosesSubstituters };
  const daemon = { socket, isNeeded, answer: await greet(socket, signal) };
  return { program, version, store, daemon, choosesSubstituters };
}

async function versionOf(
  program: string,
  env: NodeJS.ProcessEnv,
  signal: AbortSignal,
): Promise<NixFacts['version']> {
  try {
    const run = { program, args: ['--version'], env: environment(env), maxOutput: 4096, signal };
    const { exitCode, signal: by, stdout } = await runNix(run);
    const said = stdout.trim().split('\n', 1)[0] ?? '';
    return exitCode === 0
      ? { said }
      : { missing: `${program} --version ends with ${by ?? `exit status ${exitCode}`}` };
  } catch (error) {
    return { missing: messageOf(error).replace(/ in PATH .*/, ' in PATH') };
  }
}

async function storeOf(
  options: NixStoreOptions,
  env: NodeJS.ProcessEnv,
): Promise<
  | { readonly uri: string; readonly directory: string; readonly isThere: boolean }
  | { readonly unusable: string }
> {
  try {
    const location = new StoreLocation(options, { log: silentLog, env });
    const directory = await location.realStoreDir();
    const isThere = statSync(directory, { throwIfNoEntry: false })?.isDirectory() === true;
    return { uri: await location.uri(), directory, isThere };
  } catch (error) {
    return { unusable: messageOf(error) };
  }
}

async function greet(path: string, signal: AbortSignal): Promise<DaemonPeer | { readonly refusal: string }> {
  try {
    const connection = await DaemonConnection.open(await connectSocket(path), {
      signal: AbortSignal.any([signal, AbortSignal.timeout(5000)]),
    });
    await connection.close();
    return connection.peer;
  } catch (error) {
    return { refusal: messageOf(error) };
  }
}

const UNIT_OF_NIX = 'systemctl restart nix-daemon.socket nix-daemon.service';

/** Whether store paths can be had by Nix. */
export function judgeNix(facts: NixFacts, commands: Commands): readonly Finding[] {
  const { program, version, store, daemon } = facts;
  const findings: Finding[] = [];
  if ('missing' in version) {
    const installation = commands.install('nix');
    findings.push(
      failure('nix-missing', {
        what: `Nix cannot be run: ${version.missing}`,
        why: 'store paths are neither realised nor kept by GC roots',
        fix: `${installation.fix}, or name its nix-store by nix.nix_store in the daemon’s configuration; then restart the daemon`,
        commands: [...installation.commands, commands.restartDaemon],
      }),
    );
  }
  if ('unusable' in store)
    findings.push(
      failure('nix-store-unusable', {
        what: `the Nix store cannot be used: ${store.unusable}`,
        why: 'containers could not see its paths where they expect them',
        fix: 'name a store of this host by nix.store in the daemon’s configuration, then restart the daemon',
        commands: [commands.restartDaemon],
      }),
    );
  else if (!store.isThere && 'said' in version)
    findings.push(
      failure('nix-store-absent', {
        what: `the store directory ${store.directory} is not there`,
        why: 'there is nothing that containers could be shown',
        fix: 'let Nix make it',
        commands: ['nix-store --verify'],
      }),
    );
  if (daemon !== undefined) findings.push(...judgeNixDaemon(daemon, facts, commands));
  if (findings.length > 0) return findings;
  const said = 'said' in version ? version.said : program;
  const by = daemon === undefined || 'refusal' in daemon.answer ? '' : `, daemon ${daemon.answer.nixVersion}`;
  return [fine('nix', `${said}${by}, store ${'directory' in store ? store.directory : ''}`)];
}

function judgeNixDaemon(
  { socket, isNeeded, answer }: NonNullable<NixFacts['daemon']>,
  { choosesSubstituters }: NixFacts,
  commands: Commands,
): readonly Finding[] {
  if ('refusal' in answer) {
    const trouble = {
      what: `Nix’s daemon does not answer: ${answer.refusal}`,
      why: isNeeded
        ? 'store paths are neither realised nor kept by GC roots'
        : 'other users cannot use Nix; the snapshotter does without, by a Nix process of its own',
      fix: 'start it',
      commands: [UNIT_OF_NIX],
    };
    return [isNeeded ? failure('nix-daemon-down', trouble) : warning('nix-daemon-down', trouble)];
  }
  if (answer.trusted !== false || !choosesSubstituters) return [];
  return [
    warning('nix-untrusted', {
      what: `Nix’s daemon on ${shellWord(socket)} does not trust this user, so it may ignore nix.substituters`,
      why: 'paths that only those caches have are not found; and a path that was missing a moment ago stays missing for an hour',
      fix: 'add the user to trusted-users in /etc/nix/nix.conf, or name the caches there as substituters; then restart Nix’s daemon',
      commands: [UNIT_OF_NIX, commands.restartDaemon],
    }),
  ];
}
