import type { Log } from '../log.ts';
import type { RpcRecord } from '../rpc/handler.ts';
import { createHealth, type HealthCondition } from '../rpc/health.ts';
import type { Implementation } from '../rpc/implementation.ts';
import { createRpcServer } from '../rpc/server.ts';
import type { Endpoint } from '../rpc/socket.ts';

/** How long calls that run may go on after a stop was asked for, in milliseconds. */
const DRAIN_MS = 10_000;

/** Calls of one connection that may run beside those that wait for Nix; each takes some tens of kilobytes. */
const OTHER_CALLS = 1000;

/** Serves as soon as state is reconciled: a probe that restarts the daemon must not do so because of Nix. */
const STATUS_SERVICE = 'nix_snapshotter.v1.Status';

export interface DaemonRpcOptions {
  /** How many calls may wait for Nix at a time. */
  readonly maxWaiting: number;
}

export interface DaemonRpcDeps {
  readonly services: readonly Implementation[];
  readonly readiness: HealthCondition;
  /** Told about every finished call. */
  readonly observe: (record: RpcRecord) => void;
  readonly log: Log;
  /** Disposes of what is made here. */
  readonly undo: AsyncDisposableStack;
}

/** Serves the daemon's services, and their health. */
export interface DaemonRpc {
  /**
   * From here on all is healthy, and answers.
   *
   * @throws StatusError as `listen` of `rpc/socket.ts`.
   */
  listen(endpoint: Endpoint): Promise<void>;
}

/** Makes the daemon's gRPC server, which does not listen yet. */
export function openRpc(
  { maxWaiting }: DaemonRpcOptions,
  { services, readiness, observe, log, undo }: DaemonRpcDeps,
): DaemonRpc {
  const health = createHealth(readiness, new Set([STATUS_SERVICE]));
  const server = createRpcServer({
    services: [...services, health.implementation],
    log,
    maxCalls: maxWaiting + OTHER_CALLS,
    observe,
  });
  undo.defer(async () => {
    health.shutDown();
    await server.close({ drainMs: DRAIN_MS });
  });
  return {
    async listen(endpoint) {
      health.set('', 'SERVING');
      health.set(STATUS_SERVICE, 'SERVING');
      health.set('containerd.services.snapshots.v1.Snapshots', 'SERVING');
      await server.listen(endpoint);
    },
  };
}
