import type { StatusResponse } from '../../proto/gen/messages.ts';
import { type DaemonOfUserOptions, daemonOfUser } from '../config/daemon-of-user.ts';
import { createRpcClient } from '../rpc/client.ts';
import { status } from '../rpc/proto.ts';
import { describeStatus } from './describe.ts';

export interface PrintStatusOptions extends DaemonOfUserOptions {
  readonly json: boolean;
}

/**
 * The `status` command: asks the daemon, which is the user's own where another than root asks, and prints its answer.
 *
 * @throws StatusError Unavailable when no daemon listens at the address.
 */
export async function printStatus({ json, ...options }: PrintStatusOptions): Promise<void> {
  const { address } = await daemonOfUser(options, process);
  using client = createRpcClient({ address });
  const answer = await client.service(status).Status({}, { timeoutMs: 5000 });
  process.stdout.write(json ? `${JSON.stringify(jsonOf(answer), undefined, 2)}\n` : describeStatus(answer));
}

/** Counts as numbers (they are far below 2^53), times as ISO text. */
function jsonOf(answer: StatusResponse): unknown {
  return JSON.parse(
    JSON.stringify(answer, (_, value: unknown) => {
      if (typeof value === 'bigint') return Number(value);
      if (isTimestamp(value)) return new Date(Number(value.seconds) * 1000 + value.nanos / 1e6).toISOString();
      return value;
    }),
  );
}

function isTimestamp(value: unknown): value is { seconds: bigint; nanos: number } {
  return typeof value === 'object' && value !== null && 'seconds' in value && 'nanos' in value;
}
