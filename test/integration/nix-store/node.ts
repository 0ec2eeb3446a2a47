import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { execa } from 'execa';
import { type StorePath, storePathName } from '../../../src/closure/store-path.ts';
import { type Log, silentLog } from '../../../src/log.ts';
import type { NixStoreOptions } from '../../../src/nix/nix-options.ts';
import { openNixStore, type OpenNixStore } from '../../../src/nix/open-store.ts';
import type { NixStore } from '../../../src/nix/store.ts';

/** Where the scenarios keep things on their node. */
const DIR = '/var/lib/nix-store-test';
export const CACHE = `${DIR}/cache`;
export const SIGNED_CACHE = `${DIR}/signed`;
export const ROOTS = `${DIR}/roots`;
const PATHS = `${DIR}/paths.json`;
const PUBLIC_KEY = `${DIR}/key.public`;

export interface Paths {
  readonly a: StorePath;
  readonly b: StorePath;
  readonly c: StorePath;
  readonly lone: StorePath;
  /** Each is more than a small closure has. */
  readonly large: readonly StorePath[];
  readonly withDerivation: StorePath;
  readonly derivation: StorePath;
  readonly all: StorePath;
  readonly small: readonly StorePath[];
}

/** Runs a program of the node; its stdout without the last newline. */
export async function run(program: string, ...args: string[]): Promise<string> {
  const { stdout } = await execa(program, args, { maxBuffer: 64 * 1024 * 1024 });
  return stdout;
}

/** Builds the packages into an unsigned and a signed cache, and empties the store. */
export async function setUp(): Promise<void> {
  mkdirSync(DIR, { recursive: true });
  const file = new URL('packages.nix', import.meta.url).pathname;
  const build = async (attribute: string): Promise<StorePath[]> =>
    (await run('nix-build', '--no-out-link', '--quiet', file, '-A', attribute)).split('\n') as StorePath[];
  const built: Record<string, unknown> = {};
  for (const name of ['a', 'b', 'c', 'lone', 'withDerivation', 'all']) [built[name]] = await build(name);
  const large = await build('large');
  built['large'] = large;
  const all = String(built['all']);
  built['small'] = (await run('nix-store', '--query', '--requisites', all))
    .split('\n')
    .filter((path) => path !== all);
  built['derivation'] = await run('nix-instantiate', '--quiet', file, '-A', 'a');
  appendFileSync(PATHS, JSON.stringify(built));
  const tops = ['c', 'lone', 'withDerivation', 'all'].map((name) => String(built[name]));
  await run('nix', 'copy', '--to', `file://${CACHE}?compression=none`, ...tops);
  await run('nix', 'copy', '--to', `file://${CACHE}?compression=zstd`, ...large);
  const secret = await run('nix', 'key', 'generate-secret', '--key-name', 'test-1');
  appendFileSync(`${DIR}/key`, secret, { mode: 0o600 });
  appendFileSync(PUBLIC_KEY, await run('sh', '-c', `nix key convert-secret-to-public < ${DIR}/key`));
  await run(
    'nix',
    'copy',
    '--to',
    `file://${SIGNED_CACHE}?compression=none&secret-key=${DIR}/key`,
    tops[0] ?? '',
  );
}

export function paths(): Paths {
  return JSON.parse(readFileSync(PATHS, 'utf8')) as Paths;
}

/** What the cache calls a path's archive. */
export function archiveOf(path: StorePath): string {
  const info = `${storePathName(path).slice(0, 32)}.narinfo`;
  return `/${/^URL: (.*)$/m.exec(readFileSync(`${CACHE}/${info}`, 'utf8'))?.[1] ?? ''}`;
}

export function publicKey(): string {
  return readFileSync(PUBLIC_KEY, 'utf8');
}

/** An empty store, no roots, and nothing remembered of any cache. */
export async function emptyStore(): Promise<void> {
  rmSync(ROOTS, { recursive: true, force: true });
  mkdirSync(ROOTS, { recursive: true });
  rmSync('/root/.cache/nix', { recursive: true, force: true });
  await collectGarbage();
  assert.equal(existsSync(paths().c), false);
}

export async function collectGarbage(): Promise<void> {
  await run('nix-store', '--gc', '--quiet');
}

/** How a scenario reaches the store: by `nix-store`, by a `nix-daemon --stdio` of its own, by the daemon's socket. */
export const BACKENDS = ['nix-store', 'stdio', 'socket'] as const;
export type Backend = (typeof BACKENDS)[number];

/** What a scenario has opened; ended after it. */
const opened = new AsyncDisposableStack();
let backend: Backend = 'nix-store';

/**
 * Chooses what {@link openStore} opens. A daemon on a socket decides about signatures when it opens the store, before a client
 * can say anything: so there are two.
 */
export async function useBackend(choice: Backend): Promise<void> {
  backend = choice;
  if (choice !== 'socket') return;
  for (const requireSigs of ['true', 'false'])
    await startDaemon(requireSigs, { 'require-sigs': requireSigs });
}

/** A store whose daemon has root for a user like others; `log` is its log. */
export async function openUntrusted(substituters: readonly string[], log: Log): Promise<NixStore> {
  const socket = await startDaemon('untrusting', { 'trusted-users': 'nobody', 'require-sigs': 'false' });
  const env = { ...process.env, NIX_DAEMON_SOCKET_PATH: socket };
  return opened.use(openNixStore({ substituters, backend: 'daemon' }, { log, env }));
}

export async function closeStores(): Promise<void> {
  await opened.disposeAsync();
}

/** A store that takes unsigned paths from `substituters`. */
export function openStore(
  substituters: readonly string[],
  settings: Readonly<Record<string, string>> = {},
  program = 'nix-store',
): OpenNixStore {
  return openStoreAs({
    program,
    substituters,
    settings: { 'require-sigs': 'false', 'download-attempts': '1', ...settings },
  });
}

export function openStoreAs(options: NixStoreOptions): OpenNixStore {
  const socket = daemons.get(options.settings?.['require-sigs'] ?? 'true')?.socket;
  const env = socket === undefined ? process.env : { ...process.env, NIX_DAEMON_SOCKET_PATH: socket };
  const choice = backend === 'nix-store' ? backend : 'daemon';
  return opened.use(openNixStore({ ...options, backend: choice }, { log: silentLog, env }));
}

/** The processes that work for a store that has `cache` as its substituter. */
export async function workers(cache: string): Promise<readonly number[]> {
  if (daemons.size === 0) return await processesNaming(cache);
  const children = [...daemons.values()].map(({ pid }) =>
    readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
  );
  return children.flat();
}

const daemons = new Map<string, { readonly socket: string; readonly pid: number }>();

async function startDaemon(name: string, settings: Readonly<Record<string, string>>): Promise<string> {
  const socket = `/run/nix-daemon-${name}`;
  const options = Object.entries({ 'download-attempts': '1', ...settings });
  rmSync(socket, { force: true });
  const daemon = spawn(
    'nix-daemon',
    options.flatMap(([setting, value]) => ['--option', setting, value]),
    { stdio: 'ignore', env: { ...process.env, NIX_DAEMON_SOCKET_PATH: socket } },
  );
  opened.defer(async () => {
    const ended = once(daemon, 'exit');
    daemon.kill();
    await ended;
  });
  while (!existsSync(socket)) await setTimeout(10);
  daemons.set(name, { socket, pid: daemon.pid ?? 0 });
  return socket;
}

/** Processes of the node that name `text` in their command line, this one apart. */
async function processesNaming(text: string): Promise<readonly number[]> {
  const { stdout } = await execa('grep', ['-lF', '--', text, ...(await commandLines())], { reject: false });
  const pids = stdout.split('\n').map((file) => Number(/\d+/.exec(file)?.[0]));
  return pids.filter((pid) => pid > 0 && pid !== process.pid);
}

async function commandLines(): Promise<string[]> {
  const listed = await run('sh', '-c', 'ls -d /proc/[0-9]*');
  // The grep itself names the text too: it is not in the list, which is older than it.
  return listed.split('\n').map((directory) => `${directory}/cmdline`);
}

/**
 * A `nix-store` that runs the shell script after each realise, and a `nix-daemon` that does after each root; see
 * forgetful-daemon.ts. Returns the first's path.
 */
export function wrapNix(script: string): string {
  const directory = mkdtempSync(`${ROOTS}/bin-`);
  for (const name of ['nix', 'nix-instantiate']) symlinkSync(`/usr/bin/${name}`, `${directory}/${name}`);
  const after = `${directory}/after`;
  writeFileSync(after, script);
  const write = (name: string, text: string): void =>
    writeFileSync(`${directory}/${name}`, `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  write('nix-store', `nix-store "$@"; code=$?; case "$*" in *--realise*) sh ${after} ;; esac; exit $code`);
  const daemon = new URL('forgetful-daemon.ts', import.meta.url).pathname;
  write('nix-daemon', `exec node ${daemon} ${after} "$@"`);
  return `${directory}/nix-store`;
}
