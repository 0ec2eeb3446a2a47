import { existsSync } from 'node:fs';
import { type DaemonOfUserOptions, daemonOfUser } from './config/daemon-of-user.ts';
import type { Config } from './config/schema.ts';
import { StatusError } from './errors.ts';
import { createLog } from './log.ts';
import { describeRepair } from './repair/describe.ts';
import { mountedDirectories } from './repair/mounted-directories.ts';
import { printable } from './printable.ts';
import { createRpcClient } from './rpc/client.ts';
import { repair, status } from './rpc/proto.ts';
import { Layout } from './snapshot/layout.ts';
import { whyDown } from './status/why-down.ts';
import type { RepairResponse } from '../proto/gen/messages.ts';

export interface RepairOptions extends DaemonOfUserOptions {
  readonly dryRun: boolean;
  readonly json: boolean;
}

/** Closures are realised that lost their roots; in milliseconds. */
const TIMEOUT_MS = 60 * 60_000;

/**
 * `doctor --repair`: has the daemon mend what is broken, and prints what was done. A daemon that does not run is started in this
 * process for as long as it takes: the repair needs what containerd asks of it. The exit code is 1 where something is left.
 *
 * @throws StatusError what keeps the daemon from starting; FailedPrecondition for a directory that holds none of its metadata.
 */
export async function repairCommand(options: RepairOptions): Promise<void> {
  const config = await daemonOfUser(options, process);
  const answer = await askRunning(config, options.dryRun);
  const text = options.json
    ? `${printable(JSON.stringify(answer, undefined, 2))}\n`
    : describeRepair(answer, options.dryRun);
  await new Promise((written) => process.stdout.write(text, written));
  const failed = answer.actions.some(({ error }) => error !== '');
  process.exitCode = failed || answer.left.length > 0 ? 1 : 0;
}

async function askRunning(config: Config, dryRun: boolean): Promise<RepairResponse> {
  try {
    return await ask(config, dryRun);
  } catch (error) {
    const reason = whyDown(error, config.address);
    if (!(reason instanceof StatusError) || reason.code !== 'Unavailable') throw reason;
  }
  const { metadata } = new Layout(config.root);
  if (!existsSync(metadata)) {
    throw new StatusError(
      'FailedPrecondition',
      `no daemon listens on ${config.address}, and there is no metadata in ${metadata}: start the daemon, which makes again what it can, ` +
        'or name its directory by --root',
    );
  }
  const { startDaemon } = await import('./daemon/start.ts');
  await using _ = await startDaemon(
    { config, endpoint: { path: config.address } },
    { log: createLog('error') },
  );
  return await ask(config, dryRun);
}

async function ask({ address }: Config, dryRun: boolean): Promise<RepairResponse> {
  using client = createRpcClient({ address });
  const { root } = await client.service(status).Status({});
  const mounted = [...(await mountedDirectories(new Layout(root).snapshots))].map(BigInt);
  return await client.service(repair).Repair({ dry_run: dryRun, mounted }, { timeoutMs: TIMEOUT_MS });
}
