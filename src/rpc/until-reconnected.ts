import { setTimeout as sleep } from 'node:timers/promises';
import { StatusError } from '../errors.ts';

/** containerd waits up to 3 s between tries to connect to a proxy plugin (`cmd/containerd/server`). */
const RECONNECT_MS = 10_000;
const RETRY_MS = 250;

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
      // It says so by Unavailable, or by Unknown and the words of its client.
      const isAway = error instanceof StatusError && ['Unavailable', 'Unknown'].includes(error.code);
      if (!isAway || performance.now() > deadline) throw error;
      await sleep(RETRY_MS, undefined, signal === undefined ? {} : { signal });
    }
  }
}
