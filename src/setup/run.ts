import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { TomlTable } from 'smol-toml';
import * as v from 'valibot';
import { DEFAULT_CONFIG_PATH, loadConfig } from '../config/load.ts';
import { type Config, configSchema } from '../config/schema.ts';
import { userPaths } from '../config/user-paths.ts';
import { CONTAINERD_CONFIG } from '../containerd/plugins.ts';
import { containerdRelease, dumpConfig, INSTALLED } from '../containerd/program.ts';
import { messageOf, StatusError } from '../errors.ts';
import { makeDirectories } from '../host/make-directories.ts';
import { inUserNamespace } from '../host/user-namespace.ts';
import { refuseGoRoot } from '../metadata/go-root.ts';
import { type ContainerdFiles, readContainerdFiles } from './containerd-files.ts';
import { checkDump } from './check-dump.ts';
import { describePrint } from './describe-print.ts';
import { execute, manifestFile } from './execute.ts';
import type { FileState, Target } from './file-change.ts';
import { hiddenToken, secretHider } from './hide-secrets.ts';
import { type Manifest, parseManifest, targetsOf } from './manifest.ts';
import { NodeFiles } from './node-files.ts';
import { filesOfPlan, type Plan, planSetup, type UserPaths } from './plan.ts';
import { describeSteps, restartCommands } from './report.ts';
import { imagesAfterSetup, imagesAfterUndo } from './existing-images.ts';
import { mayUseRoot, notYourDaemon } from './root-access.ts';
import { setupSteps, type Steps, undoSteps } from './steps.ts';

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
interface Session extends SetupOptions, SetupDeps {
  readonly files: NodeFiles;
  readonly configFile: string;
  readonly daemon: Config;
  readonly user: UserPaths;
  /** As the node knows it. */
  readonly tokenFile: string;
}

/**
 * The `setup` command: makes containerd and its clients use the daemon, or undoes that.
 *
 * @throws StatusError naming the file, the cause and the next step; nothing is written then.
 */
export async function runSetup(options: SetupOptions, deps: SetupDeps): Promise<void> {
  const session = await openSession(options, deps);
  const { daemon, files, user } = session;
  const isUsable = user.isRoot || (await mayUseRoot(daemon.root));
  if (!isUsable && !options.print) throw notYourDaemon(daemon.root);
  if (options.undo) return await undo(session);
  if (isUsable) refuseGoRoot(files.here(daemon.root));
  if (options.print) return await print(session);
  await setUp(session);
}

/** What is different from what setup would write now. */
export interface Drift {
  /** For whom setup was run. */
  readonly targets: readonly Target[];
  /** Files that setup would make or change. */
  readonly files: readonly string[];
}

/**
 * Compares this node with what `setup` would make of it, for the targets that it was run for.
 *
 * @throws StatusError as {@link runSetup}; such as a file of setup's own that somebody has changed.
 */
export async function setupDrift(
  options: Pick<SetupOptions, 'config' | 'containerdVersion'>,
  deps: Pick<SetupDeps, 'env' | 'uid'>,
): Promise<Drift> {
  const choice = { ...options, targets: [], print: false, dryRun: true, undo: false };
  const untouched = {
    write: () => undefined,
    loadToken: () => Promise.reject(new Error('nothing is written')),
  };
  const empty = await openSession(choice, { ...deps, ...untouched });
  const manifest = await readManifest(empty);
  // A user's containerd has its files in namespaces of its own.
  const seen = targetsOf(manifest).filter((target) => deps.uid === 0 || target !== 'containerd');
  const session = { ...empty, targets: seen };
  const { files, tokenFile, targets } = session;
  if (targets.length === 0) return { targets, files: [] };
  const token = (await files.read(tokenFile))?.text.trim() ?? hiddenToken(tokenFile);
  const { steps } = await planFor(session, await readContainerd(session), manifest, token);
  const changed = steps.files.filter(({ kind }) => kind !== 'unchanged');
  return { targets, files: changed.map(({ path }) => path) };
}

async function openSession(options: SetupOptions, deps: SetupDeps): Promise<Session> {
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

async function setUp(session: Session): Promise<void> {
  const { files, daemon, tokenFile, targets, dryRun, write } = session;
  const manifest = await readManifest(session);
  const containerd = await readContainerd(session);
  const found = (await files.read(tokenFile))?.text.trim();
  let planned = await planFor(session, containerd, manifest, found ?? hiddenToken(tokenFile));
  if (!dryRun && found === undefined) {
    await makeDirectories(files.here(daemon.root), 0o700);
    const token = await session.loadToken(files.here(tokenFile));
    planned = await planFor(session, containerd, manifest, token);
  }
  const { plan, steps } = planned;
  const isDone = steps.files.every(({ kind }) => kind === 'unchanged');
  if (!dryRun && !isDone) {
    const verify = await dumpCheck(session, (containerd?.files.length ?? 0) > 0);
    await execute({ root: daemon.root, steps, ...(verify === undefined ? {} : { verify }) }, files);
  }
  write(describeSteps(steps.files, dryRun, secretHider(found ?? hiddenToken(tokenFile), tokenFile)));
  for (const note of plan.notes) write(`${note}\n`);
  if (isDone) return write('nothing to change\n');
  if (dryRun) return;
  write(imagesAfterSetup(targets));
  tellRestart(session, false);
}

async function undo(session: Session): Promise<void> {
  const { files, daemon, dryRun, write } = session;
  const manifest = await readManifest(session);
  const targets = session.targets.length > 0 ? session.targets : targetsOf(manifest);
  const states = await statesOf(files, Object.keys(manifest));
  const steps = undoSteps(targets, states, manifest);
  if (!dryRun && steps.files.length > 0) await execute({ root: daemon.root, steps }, files);
  const token = (await files.read(session.tokenFile))?.text.trim();
  write(describeSteps(steps.files, dryRun, secretHider(token, session.tokenFile)));
  if (steps.files.length === 0) return write('nothing to undo: setup has written nothing here for that\n');
  if (dryRun) return;
  write(imagesAfterUndo(targets));
  tellRestart({ ...session, targets }, true);
}

async function print(session: Session): Promise<void> {
  const containerd = await readContainerd(session);
  const token = hiddenToken(session.tokenFile);
  const plan = planSetup(session.targets, {
    ...factsOf(session, containerd, token),
    // As if nothing were there: what belongs to others is not shown.
    texts: new Map(),
  });
  session.write(
    secretHider(token, session.tokenFile)(describePrint(plan.changes.map(({ change }) => change))),
  );
  for (const note of plan.notes) session.write(`# ${note}\n`);
}

async function planFor(
  session: Session,
  containerd: (ContainerdFiles & { readonly release: string }) | undefined,
  manifest: Manifest,
  token: string,
): Promise<{ readonly plan: Plan; readonly steps: Steps }> {
  const { files, targets, configFile, user } = session;
  const inputs = await statesOf(files, filesOfPlan(targets, configFile, user));
  const texts = new Map([...inputs].map(([path, { text }]) => [path, text]));
  const plan = planSetup(targets, { ...factsOf(session, containerd, token), texts });
  const paths = plan.changes.map(({ change }) => change.path);
  // As they were when the plan was made of them: what changes meanwhile is noticed when it would be written.
  const states = new Map([...(await statesOf(files, paths)), ...inputs]);
  for (const { path, text } of containerd?.files ?? []) {
    const state = states.get(path);
    if (state !== undefined) states.set(path, { ...state, text });
  }
  return { plan, steps: setupSteps(plan.changes, states, manifest) };
}

function factsOf(
  { configFile, daemon, user }: Session,
  containerd: (ContainerdFiles & { readonly release: string }) | undefined,
  token: string,
) {
  const platform = process.arch === 'arm64' ? 'linux/arm64' : 'linux/amd64';
  return {
    configFile,
    config: daemon,
    token,
    platform,
    user,
    ...(containerd === undefined ? {} : { containerd }),
  };
}

async function readContainerd({ targets, containerdVersion, rootDir, files }: Session) {
  if (!targets.includes('containerd')) return undefined;
  if (containerdVersion === undefined && rootDir !== undefined) {
    throw new StatusError(
      'InvalidArgument',
      'with --root-dir the containerd that will run there cannot be asked: give --containerd-version, such as 2.3.7',
    );
  }
  const release = containerdVersion ?? (await installedRelease());
  return { release, ...(await readContainerdFiles(files)) };
}

async function installedRelease(): Promise<string> {
  try {
    return await containerdRelease();
  } catch (error) {
    throw new StatusError(
      'FailedPrecondition',
      `${messageOf(error)}; or give --containerd-version, such as 2.3.7`,
      { cause: error },
    );
  }
}

/** What the installed containerd makes of its files, or its words with the next step. */
async function dump(hasMain: boolean): Promise<TomlTable> {
  try {
    return await dumpConfig(INSTALLED, hasMain);
  } catch (error) {
    throw new StatusError(
      'FailedPrecondition',
      `containerd cannot read its configuration, ${CONTAINERD_CONFIG}: ${messageOf(error)}; repair it, then run setup again`,
      { cause: error },
    );
  }
}

/** Where the node's own containerd is set up, it tells whether it understands; what it makes of its files now is kept for that. */
async function dumpCheck({ targets, rootDir, containerdVersion, daemon }: Session, hasMain: boolean) {
  if (!targets.includes('containerd') || rootDir !== undefined || containerdVersion !== undefined)
    return undefined;
  const before = await dump(hasMain);
  return async () => checkDump(before, await dump(true), daemon.address);
}

async function readManifest({ files, daemon }: Session): Promise<Manifest> {
  const path = manifestFile(daemon.root);
  return parseManifest(path, (await files.read(path))?.text);
}

async function statesOf(files: NodeFiles, paths: readonly string[]): Promise<ReadonlyMap<string, FileState>> {
  const states = new Map<string, FileState>();
  for (const path of paths) {
    const state = await files.read(path);
    if (state !== undefined) states.set(path, state);
  }
  return states;
}

function tellRestart({ targets, uid, write }: Session, undone: boolean): void {
  const commands = restartCommands(targets, { undone, rootless: uid !== 0 || inUserNamespace() });
  if (commands.length > 0)
    write(`\nNow run, in this order:\n${commands.map((one) => `  ${one}\n`).join('')}`);
}
