import assert from 'node:assert/strict';
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
import { execa } from 'execa';
import type { StorePath } from '../../../src/closure/store-path.ts';
import { silentLog } from '../../../src/log.ts';
import { NixStoreCli } from '../../../src/nix/nix-store.ts';

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
  const all = String(built['all']);
  built['small'] = (await run('nix-store', '--query', '--requisites', all))
    .split('\n')
    .filter((path) => path !== all);
  built['derivation'] = await run('nix-instantiate', '--quiet', file, '-A', 'a');
  appendFileSync(PATHS, JSON.stringify(built));
  const tops = ['c', 'lone', 'withDerivation', 'all'].map((name) => String(built[name]));
  await run('nix', 'copy', '--to', `file://${CACHE}?compression=none`, ...tops);
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

/** A store that takes unsigned paths from `substituters`. */
export function openStore(
  substituters: readonly string[],
  settings: Readonly<Record<string, string>> = {},
  program = 'nix-store',
): NixStoreCli {
  return new NixStoreCli(
    { program, substituters, settings: { 'require-sigs': 'false', 'download-attempts': '1', ...settings } },
    { log: silentLog, env: process.env },
  );
}

/** Processes of the node that name `text` in their command line, this one apart. */
export async function processesNaming(text: string): Promise<readonly string[]> {
  const { stdout } = await execa('grep', ['-lF', '--', text, ...(await commandLines())], { reject: false });
  return stdout.split('\n').filter((file) => file !== '' && file !== `/proc/${process.pid}/cmdline`);
}

async function commandLines(): Promise<string[]> {
  const listed = await run('sh', '-c', 'ls -d /proc/[0-9]*');
  // The grep itself names the text too: it is not in the list, which is older than it.
  return listed.split('\n').map((directory) => `${directory}/cmdline`);
}

/** A shell text in the place of `nix-store`; the rest of Nix stands beside it. Returns its path. */
export function wrapNixStore(text: string): string {
  const directory = mkdtempSync(`${ROOTS}/bin-`);
  for (const name of ['nix', 'nix-instantiate']) symlinkSync(`/usr/bin/${name}`, `${directory}/${name}`);
  writeFileSync(`${directory}/nix-store`, `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  return `${directory}/nix-store`;
}
