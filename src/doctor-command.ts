import { existsSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import { type DaemonOfUserOptions, daemonOfUser } from './config/daemon-of-user.ts';
import { configSchema } from './config/schema.ts';
import { userPaths } from './config/user-paths.ts';
import { checksOf } from './doctor/checks.ts';
import { commandsFor } from './doctor/commands.ts';
import { describeFindings } from './doctor/describe.ts';
import { failure, type Finding } from './doctor/finding.ts';
import { type Checked, runChecks } from './doctor/run-checks.ts';
import type { DriftFacts } from './doctor/setup-drift.ts';
import { messageOf, StatusError } from './errors.ts';
import { printable } from './printable.ts';
import { findRootlessKit } from './rootless/enter.ts';
import { readRootlessFacts } from './rootless/facts.ts';
import { rootlessProblems } from './rootless/problems.ts';
import { setupDrift } from './setup/drift.ts';

/** How long one check may take, in milliseconds. */
const DEADLINE_MS = 15_000;

export interface DoctorOptions extends DaemonOfUserOptions {
  readonly json: boolean;
}

/**
 * The `doctor` command: looks at this host and says what is wrong and what to do. It changes nothing. The exit code is 1 where
 * something does not work.
 */
export async function doctorCommand(options: DoctorOptions): Promise<void> {
  const { findings, isLate } = await examine(options);
  const text = options.json
    ? `${printable(JSON.stringify({ findings }, undefined, 2))}\n`
    : describeFindings(findings);
  await new Promise((written) => process.stdout.write(text, written));
  process.exitCode = findings.some(({ level }) => level === 'error') ? 1 : 0;
  // A check that hangs in a system call would hold the process.
  if (isLate) process.exit();
}

async function examine(options: DoctorOptions): Promise<Checked> {
  const { env } = process;
  const user = process.getuid?.() ?? 0;
  const { config, unusable } = await configOrDefaults(options, user === 0);
  const own = user === 0 ? undefined : userPaths(env, user).config;
  const configFile = options.config ?? (own !== undefined && existsSync(own) ? own : undefined);
  const drift = async (containerdVersion: string | undefined): Promise<DriftFacts> => {
    if (unusable.length > 0) return { targets: [], files: [] };
    try {
      return await setupDrift({ config: configFile, containerdVersion }, { env, uid: user });
    } catch (error) {
      return { problem: messageOf(error) };
    }
  };
  const checks = checksOf(
    {
      config,
      configFile: options.config,
      env,
      user,
      containerdAddress:
        user === 0 ? config.containerd_address : inRootlessKit(config.containerd_address, env, user),
    },
    { drift, rootlessProblems: () => rootlessProblems(readRootlessFacts(env)) },
  );
  const { findings, isLate } = await runChecks(checks, DEADLINE_MS);
  return { findings: [...unusable, ...findings], isLate };
}

/** A path of the user's containerd, as it is reached from outside of RootlessKit's namespaces; as it is where none runs. */
function inRootlessKit(path: string, env: NodeJS.ProcessEnv, user: number): string {
  const runtime = env['XDG_RUNTIME_DIR'] ?? `/run/user/${user}`;
  const stateDir = env['CONTAINERD_ROOTLESS_ROOTLESSKIT_STATE_DIR'] ?? join(runtime, 'containerd-rootless');
  try {
    return `/proc/${findRootlessKit(stateDir).pid}/root${path}`;
  } catch (error) {
    if (error instanceof StatusError) return path;
    throw error;
  }
}

/** The daemon's configuration; one that cannot be read is a finding, and the rest is looked at with the defaults. */
async function configOrDefaults(options: DoctorOptions, isRoot: boolean) {
  try {
    return { config: await daemonOfUser(options, process), unusable: [] };
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    const address = options.address === undefined ? {} : { address: options.address };
    const defaults = v.safeParse(configSchema, address);
    // The flag is wrong, whatever the file says.
    if (!defaults.success) throw error;
    const unusable: Finding = failure('config-unusable', {
      what: messageOf(error),
      why: 'the daemon does not start with it; what follows was looked at with the defaults',
      fix: 'correct the key that is named (docs/configuration.md), then restart the daemon',
      commands: [commandsFor({ isRoot, containerdAddress: '' }).restartDaemon],
    });
    return { config: defaults.output, unusable: [unusable] };
  }
}
