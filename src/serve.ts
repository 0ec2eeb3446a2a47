import { loadConfig } from './config/load.ts';
import { startDaemon } from './daemon.ts';
import { messageOf } from './errors.ts';
import { notifySystemd } from './host/systemd.ts';
import { createLog, type LogLevel } from './log.ts';
import { activatedEndpoint } from './rpc/socket.ts';

export interface ServeOptions {
  readonly address?: string | undefined;
  readonly root?: string | undefined;
  readonly config?: string | undefined;
  readonly logLevel: LogLevel;
}

/**
 * Runs the daemon until SIGTERM or SIGINT, then drains: calls that run get their time, nothing is deleted. A second
 * signal ends the process at once.
 *
 * @throws StatusError what makes the daemon unable to start.
 */
export async function serve(options: ServeOptions): Promise<void> {
  const log = createLog(options.logLevel);
  const config = await loadConfig(options.config, {
    ...(options.address === undefined ? {} : { address: options.address }),
    ...(options.root === undefined ? {} : { root: options.root }),
  });
  const endpoint = activatedEndpoint(process.env, process.pid) ?? { path: config.address };
  const stop = stopSignal();
  await using _ = await startDaemon({ config, endpoint }, { log });
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

async function notify(log: ReturnType<typeof createLog>, state: string): Promise<void> {
  try {
    await notifySystemd(process.env, state);
  } catch (error) {
    log.error({ state, error: messageOf(error) }, 'systemd was not told');
  }
}
