import { setTimeout as sleep } from 'node:timers/promises';
import { StatusError } from '../errors.ts';

/** containerd waits up to 3 s between tries to connect to a proxy plugin (`cmd/containerd/server`). */
const RECONNECT_MS = 10_000;
const RETRY_MS = 250;
/** What gRPC of Go says of a connection, in containerd's answer: not of the work that was asked for, which may be Unavailable, too. */
const CONNECTION_LOST =
  /connection error: desc|error reading from server|transport is closing|client connection is closing/;

/**
 * Asks containerd for something of a proxy plugin that may just have been started: until containerd has found it again, it refuses
 * all calls.
 *
 * @param ask may be called any number of times.
 * @throws what the last call raises.
 */
export async function untilReconnected<T>(ask: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  for (const deadline = performance.now() + RECONNECT_MS; ; ) {
    try {
      return await ask();
    } catch (error) {
      const isAway = error instanceof StatusError && CONNECTION_LOST.test(error.message);
      if (!isAway || performance.now() > deadline) throw error;
      await sleep(RETRY_MS, undefined, signal === undefined ? {} : { signal });
    }
  }
}
