import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import * as v from 'valibot';
import { DEFAULT_CONFIG_PATH, loadConfig } from '../config/load.ts';
import { type Config, configSchema } from '../config/schema.ts';
import { userPaths } from '../config/user-paths.ts';
import { StatusError } from '../errors.ts';
import { manifestFile } from './execute.ts';
import type { FileState, Target } from './file-change.ts';
import { type Manifest, parseManifest } from './manifest.ts';
import { NodeFiles } from './node-files.ts';
import type { UserPaths } from './plan.ts';

export interface SetupOptions {
  /** With `undo`, none stands for all. */
  readonly targets: readonly Target[];
  /** Show the files, to be placed by hand. */
  readonly print: boolean;
  /** Show what would change. */
  readonly dryRun: boolean;
  readonly undo: boolean;
  /** Top of the file tree that is set up; the running node's own unless told. */
  readonly rootDir?: string | undefined;
  /** The daemon's configuration file. */
  readonly config?: string | undefined;
  /** Of a containerd that cannot be asked. */
  readonly containerdVersion?: string | undefined;
}

export interface SetupDeps {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly uid: number;
  readonly write: (text: string) => void;
  /** Reads the daemon's token, and makes one where there is none. */
  readonly loadToken: (file: string) => Promise<string>;
}

/** What one run works with. */
export interface Session extends SetupOptions, SetupDeps {
  readonly files: NodeFiles;
  readonly configFile: string;
  readonly daemon: Config;
  readonly user: UserPaths;
  /** As the node knows it. */
  readonly tokenFile: string;
}

/**
 * Finds the node's files and the daemon's configuration.
 *
 * @throws StatusError naming the file or the directory that cannot be used.
 */
export async function openSession(options: SetupOptions, deps: SetupDeps): Promise<Session> {
  const files = new NodeFiles({ rootDir: await topOf(options), onlyRead: options.print });
  // In a file tree the path is one of the node's.
  const given = options.config ?? DEFAULT_CONFIG_PATH;
  const configFile = options.rootDir === undefined ? resolve(given) : given;
  const isThere = (await files.read(configFile)) !== undefined;
  if (!isThere && options.config !== undefined && !options.undo && options.rootDir === undefined) {
    throw new StatusError(
      'FailedPrecondition',
      `configuration ${configFile} is not there; make it, or leave --config out`,
    );
  }
  const isRoot = deps.uid === 0 || options.rootDir !== undefined;
  // A file that a user names is of a daemon of that user.
  const otherwise = isRoot || options.config === undefined ? {} : userPaths(deps.env, deps.uid);
  const daemon = isThere
    ? await loadConfig(files.here(configFile), {}, otherwise)
    : v.parse(configSchema, {});
  const home = options.rootDir === undefined ? (deps.env['HOME'] ?? '/root') : '/root';
  const configHome = (options.rootDir === undefined && configHomeOf(deps.env)) || join(home, '.config');
  return {
    ...options,
    ...deps,
    files,
    configFile,
    daemon,
    user: { isRoot, configHome },
    tokenFile: join(daemon.root, 'resolver-token'),
  };
}

/** `$XDG_CONFIG_HOME`, which counts only where it is absolute (XDG base directory specification). */
function configHomeOf({ XDG_CONFIG_HOME: directory }: SetupDeps['env']): string | undefined {
  return directory?.startsWith('/') === true ? directory : undefined;
}

/** The top of the tree that is set up, absolute. */
async function topOf({ rootDir = '/' }: SetupOptions): Promise<string> {
  const top = resolve(rootDir);
  if ((await stat(top).catch(() => undefined))?.isDirectory() === true) return top;
  throw new StatusError(
    'InvalidArgument',
    `--root-dir ${rootDir} is not a directory; make the file tree first`,
  );
}

/**
 * What setup has written here before.
 *
 * @throws StatusError naming the manifest when it cannot be read.
 */
export async function readManifest({ files, daemon }: Session): Promise<Manifest> {
  const path = manifestFile(daemon.root);
  return parseManifest(path, (await files.read(path))?.text);
}

/** Those of these files that are there. */
export async function statesOf(
  files: NodeFiles,
  paths: readonly string[],
): Promise<ReadonlyMap<string, FileState>> {
  const states = new Map<string, FileState>();
  for (const path of paths) {
    const state = await files.read(path);
    if (state !== undefined) states.set(path, state);
  }
  return states;
}
