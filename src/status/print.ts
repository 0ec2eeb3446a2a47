import { existsSync } from 'node:fs';
import type { StatusResponse } from '../../proto/gen/messages.ts';
import { loadConfig } from '../config/load.ts';
import { userPaths } from '../config/user-paths.ts';
import { createRpcClient } from '../rpc/client.ts';
import { status } from '../rpc/proto.ts';
import { describeStatus } from './describe.ts';

export interface PrintStatusOptions {
  readonly address?: string | undefined;
  readonly config?: string | undefined;
  readonly json: boolean;
}

/**
 * The `status` command: asks the daemon, which is the user's own where another than root asks, and prints its answer.
 *
 * @throws StatusError Unavailable when no daemon listens at the address.
 */
export async function printStatus({ address, config, json }: PrintStatusOptions): Promise<void> {
  const user = process.getuid?.() ?? 0;
  const own = user === 0 ? undefined : userPaths(process.env, user);
  const file = config ?? (own !== undefined && existsSync(own.config) ? own.config : undefined);
  const { address: configured } = await loadConfig(file, address === undefined ? {} : { address }, own);
  using client = createRpcClient({ address: configured });
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
