import { type DaemonOfUserOptions, daemonOfUser } from '../config/daemon-of-user.ts';
import { StatusError } from '../errors.ts';
import { createRpcClient } from '../rpc/client.ts';
import { status } from '../rpc/proto.ts';
import { printable } from '../printable.ts';
import { describeStatus } from './describe.ts';
import { jsonOf } from './json.ts';
import { whyDown } from './why-down.ts';

export interface PrintStatusOptions extends DaemonOfUserOptions {
  readonly json: boolean;
  /** Go on until the user ends it. */
  readonly watch: boolean;
  /** Seconds between two looks. */
  readonly interval: number;
}

/** How long the daemon may take to answer, in milliseconds: longer than it gives Nix. */
const PATIENCE_MS = 5000;
const INTERVAL = { least: 0.1, most: 3600 } as const;

/**
 * The `status` command: asks the daemon, which is the user's own where another than root asks, and prints its answer, once or
 * again and again.
 *
 * @throws StatusError as {@link whyDown}, unless `watch` waits for it; InvalidArgument for an interval that is none.
 */
export async function printStatus({ json, watch, interval, ...options }: PrintStatusOptions): Promise<void> {
  if (!(interval >= INTERVAL.least && interval <= INTERVAL.most)) {
    throw new StatusError(
      'InvalidArgument',
      `status: --interval takes ${INTERVAL.least} to ${INTERVAL.most} seconds`,
    );
  }
  const { address } = await daemonOfUser(options, process);
  const ask = async () => {
    using client = createRpcClient({ address });
    try {
      return await client.service(status).Status({}, { timeoutMs: PATIENCE_MS });
    } catch (error) {
      throw whyDown(error, address);
    }
  };
  if (watch) {
    const { watchStatus } = await import('./watch.ts');
    const output = process.stdout;
    await watchStatus({ json, intervalMs: interval * 1000 }, { ask, output, term: process.env['TERM'] });
    return;
  }
  const answer = await ask();
  process.stdout.write(
    json ? `${printable(JSON.stringify(jsonOf(answer), undefined, 2))}\n` : describeStatus(answer),
  );
}
