import { containerdRelease } from '../containerd/program.ts';
import { messageOf, StatusError } from '../errors.ts';
import { type ContainerdFiles, readContainerdFiles } from './containerd-files.ts';
import type { Manifest } from './manifest.ts';
import { filesOfPlan, type NodeFacts, type Plan, planSetup } from './plan.ts';
import { type Session, statesOf } from './session.ts';
import { setupSteps, type Steps } from './steps.ts';

/** The containerd that is set up: its release, and its files. */
export type ContainerdFacts = ContainerdFiles & { readonly release: string };

/**
 * What setup would do on this node, as its files are now.
 *
 * @throws StatusError naming the file that cannot be set up.
 */
export async function planFor(
  session: Session,
  containerd: ContainerdFacts | undefined,
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

/** What a plan depends on, but for the texts of files. */
export function factsOf(
  { configFile, daemon, user }: Session,
  containerd: ContainerdFacts | undefined,
  token: string,
): Omit<NodeFacts, 'texts'> {
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

/**
 * Reads the files of containerd where it is a target, and asks for its release unless that is given.
 *
 * @throws StatusError when the release is neither given nor can be asked for; what reading the files raises.
 */
export async function readContainerd({
  targets,
  containerdVersion,
  rootDir,
  files,
}: Session): Promise<ContainerdFacts | undefined> {
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
