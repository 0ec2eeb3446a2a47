import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { loadConfig } from './config/load.ts';
import { userPaths } from './config/user-paths.ts';
import { StatusError } from './errors.ts';
import { findProgram } from './host/find-program.ts';
import { enterCommand, findRootlessKit, type RootlessKit } from './rootless/enter.ts';
import { type RootlessFacts, readRootlessFacts } from './rootless/facts.ts';
import { rootlessProblems } from './rootless/problems.ts';

export interface RootlessCommandOptions {
  /** Only say what hinders containers without root. */
  readonly check: boolean;
  readonly address?: string | undefined;
  readonly root?: string | undefined;
  readonly config?: string | undefined;
  readonly logLevel: string;
  /** RootlessKit's, of the user's containerd. */
  readonly stateDir?: string | undefined;
}

/**
 * The `rootless` command: becomes the daemon in the namespaces of the user's containerd. No process is left in between, so
 * whoever supervises this one supervises the daemon.
 *
 * @throws StatusError FailedPrecondition naming what hinders it here; Unavailable when RootlessKit does not run and nothing does.
 */
export async function rootlessCommand(options: RootlessCommandOptions): Promise<void> {
  const { env } = process;
  const facts = readRootlessFacts(env);
  if (options.check) return printProblems(facts);
  const stateDir =
    options.stateDir ??
    env['CONTAINERD_ROOTLESS_ROOTLESSKIT_STATE_DIR'] ??
    join(facts.runtimeDirectory ?? `/run/user/${facts.user.id}`, 'containerd-rootless');
  const kit = rootlessKitOf(stateDir, facts);
  const paths = userPaths(env, facts.user.id);
  // Without a file of the user's there is none: root's is of root's daemon.
  const config = options.config ?? (existsSync(paths.config) ? paths.config : '/dev/null');
  const { address, root } = await loadConfig(config, given(options), paths);
  const program = [process.execPath, ...process.execArgv, process.argv[1] ?? ''];
  const daemon = ['--address', address, '--root', root, '--config', config, '--log-level', options.logLevel];
  const command = enterCommand(kit, [...program, ...daemon]);
  become(command, env);
}

/**
 * The user's RootlessKit. Root is refused: in a user's namespaces it still has the host's files of root.
 *
 * @throws StatusError FailedPrecondition naming what hinders containers without root here, which explains why RootlessKit does not
 *   run; Unavailable when nothing does.
 */
export function rootlessKitOf(stateDir: string, facts: RootlessFacts): RootlessKit {
  const fatal = rootlessProblems(facts).filter(({ isFatal }) => isFatal);
  const hindrance = fatal.map(({ text }) => text).join('; ');
  if (facts.user.id === 0) throw new StatusError('FailedPrecondition', hindrance);
  try {
    return findRootlessKit(stateDir);
  } catch (error) {
    throw hindrance === '' ? error : new StatusError('FailedPrecondition', hindrance, { cause: error });
  }
}

function printProblems(facts: RootlessFacts): void {
  const problems = rootlessProblems(facts);
  for (const { isFatal, text } of problems)
    process.stdout.write(`${isFatal ? 'problem' : 'warning'}  ${text}\n`);
  if (problems.length === 0) process.stdout.write('nothing hinders containers without root here\n');
  if (problems.some(({ isFatal }) => isFatal)) process.exitCode = 1;
}

function become([program = '', ...args]: readonly string[], env: NodeJS.ProcessEnv): void {
  const found = findProgram(program, env);
  if (found === undefined) {
    throw new StatusError('FailedPrecondition', `${program} is not in PATH: install util-linux`);
  }
  if (process.execve === undefined) throw new StatusError('FailedPrecondition', 'Node.js 24 is needed');
  process.execve(found, [program, ...args], env);
}

function given({ address, root }: RootlessCommandOptions) {
  return { ...(address === undefined ? {} : { address }), ...(root === undefined ? {} : { root }) };
}
