import { type DaemonOfUserOptions, daemonOfUser } from './config/daemon-of-user.ts';
import { configSchema } from './config/schema.ts';
import { daemonCheck } from './doctor/daemon.ts';
import { describeFindings } from './doctor/describe.ts';
import { failure, type Finding } from './doctor/finding.ts';
import { type Check, runChecks } from './doctor/run-checks.ts';
import * as v from 'valibot';
import { messageOf, StatusError } from './errors.ts';

/** How long one check may take, in milliseconds. */
const DEADLINE_MS = 10_000;

export interface DoctorOptions extends DaemonOfUserOptions {
  readonly json: boolean;
}

/**
 * The `doctor` command: looks at this host and says what is wrong and what to do. It changes nothing. The exit code is 1 where
 * something does not work.
 */
export async function doctorCommand(options: DoctorOptions): Promise<void> {
  const { findings, isLate } = await examine(options);
  const text = options.json ? `${JSON.stringify({ findings }, undefined, 2)}\n` : describeFindings(findings);
  await new Promise((written) => process.stdout.write(text, written));
  process.exitCode = findings.some(({ level }) => level === 'error') ? 1 : 0;
  // A check that hangs in a system call would hold the process.
  if (isLate) process.exit();
}

async function examine(options: DoctorOptions): Promise<{ findings: readonly Finding[]; isLate: boolean }> {
  const { config, unusable } = await configOrDefaults(options);
  const checks: readonly Check[] = [daemonCheck({ address: config.address })];
  const { findings, isLate } = await runChecks(checks, DEADLINE_MS);
  return { findings: [...unusable, ...findings], isLate };
}

/** The daemon's configuration; one that cannot be read is a finding, and the rest is looked at with the defaults. */
async function configOrDefaults(options: DoctorOptions) {
  try {
    return { config: await daemonOfUser(options, process), unusable: [] };
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    const unusable = failure('config-unusable', {
      what: messageOf(error),
      why: 'the daemon does not start with it; what follows was looked at with the defaults',
      fix: 'correct the key that is named (docs/configuration.md), then restart the daemon',
      commands: ['systemctl restart nix-snapshotter.service'],
    });
    return { config: v.parse(configSchema, {}), unusable: [unusable] };
  }
}
