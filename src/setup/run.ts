import type { TomlTable } from 'smol-toml';
import { CONTAINERD_CONFIG } from '../containerd/plugins.ts';
import { dumpConfig, INSTALLED } from '../containerd/program.ts';
import { messageOf, StatusError } from '../errors.ts';
import { makeDirectories } from '../host/make-directories.ts';
import { inUserNamespace } from '../host/user-namespace.ts';
import { refuseGoRoot } from '../metadata/go-root.ts';
import { checkDump } from './check-dump.ts';
import { describePrint } from './describe-print.ts';
import { execute } from './execute.ts';
import { imagesAfterSetup, imagesAfterUndo } from './existing-images.ts';
import { hiddenToken, secretHider } from './hide-secrets.ts';
import { targetsOf } from './manifest.ts';
import { factsOf, planFor, readContainerd } from './node-plan.ts';
import { planSetup } from './plan.ts';
import { describeSteps, restartCommands } from './report.ts';
import { mayUseRoot, notYourDaemon } from './root-access.ts';
import {
  openSession,
  readManifest,
  type Session,
  type SetupDeps,
  type SetupOptions,
  statesOf,
} from './session.ts';
import { undoSteps } from './steps.ts';

/**
 * The `setup` command: makes containerd and its clients use the daemon, or undoes that.
 *
 * @throws StatusError naming the file, the cause and the next step; nothing is written then.
 */
export async function runSetup(options: SetupOptions, deps: SetupDeps): Promise<void> {
  refuseVersion(options.containerdVersion);
  const session = await openSession(options, deps);
  const { daemon, files, user } = session;
  const isUsable = user.isRoot || (await mayUseRoot(daemon.root));
  if (!isUsable && !options.print) throw notYourDaemon(daemon.root);
  if (options.undo) return await undo(session);
  if (isUsable) refuseGoRoot(files.here(daemon.root));
  if (options.print) return await print(session);
  await setUp(session);
}

/** What was mistyped would be taken for the newest release. */
function refuseVersion(version: string | undefined): void {
  if (version === undefined || /^v?\d+\.\d+/.test(version)) return;
  throw new StatusError(
    'InvalidArgument',
    `--containerd-version ${version} is no version of containerd; give one such as 2.3.7`,
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

function tellRestart({ targets, uid, write }: Session, undone: boolean): void {
  const commands = restartCommands(targets, { undone, rootless: uid !== 0 || inUserNamespace() });
  if (commands.length > 0)
    write(`\nNow run, in this order:\n${commands.map((one) => `  ${one}\n`).join('')}`);
}
