import { loadConfig } from './config/load.ts';
import { startDaemon } from './daemon/start.ts';
import { runService } from './host/run-service.ts';
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
  await runService(() => startDaemon({ config, endpoint }, { log }), log);
}
