import { messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import { notifySystemd } from './systemd.ts';

/**
 * Runs a service until SIGTERM or SIGINT and tells systemd about it. A second signal ends the process at once.
 *
 * @param start what is disposed of when the signal has come.
 * @throws what `start` raises.
 */
export async function runService(start: () => Promise<AsyncDisposable>, log: Log): Promise<void> {
  const stop = stopSignal();
  await using _ = await start();
  await notify(log, 'READY=1');
  const signal = await stop;
  log.info({ signal }, 'stopping: calls that run are given their time');
  await notify(log, 'STOPPING=1');
}

/**
 * Resolves with the first SIGTERM or SIGINT. The listeners stay for good: when none of ours is left while the signal is
 * handed out, the exit hook of a running child process (execa, signal-exit) ends this process at once.
 */
function stopSignal(): Promise<string> {
  return new Promise((resolve) => {
    let stopping = false;
    for (const name of ['SIGTERM', 'SIGINT']) {
      process.on(name, () => {
        if (stopping) process.exit(1);
        stopping = true;
        resolve(name);
      });
    }
  });
}

async function notify(log: Log, state: string): Promise<void> {
  try {
    await notifySystemd(process.env, state);
  } catch (error) {
    log.error({ state, error: messageOf(error) }, 'systemd was not told');
  }
}
