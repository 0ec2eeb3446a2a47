import { join } from 'node:path';
import { loadConfig } from './config/load.ts';
import { StatusError } from './errors.ts';
import { runService } from './host/run-service.ts';
import { createLog, type LogLevel } from './log.ts';
import { nixOptions } from './nix/configured.ts';
import { activatedEndpoint } from './rpc/socket.ts';
import { startViewHelper } from './view-helper/start.ts';
import { helperSocket } from './view/overlay/helper-address.ts';

export interface ViewHelperCommandOptions {
  /** User id of the one who may ask. */
  readonly user: number;
  readonly config?: string | undefined;
  readonly logLevel: LogLevel;
}

/**
 * The `view-helper` command: makes views for the rootless daemon of one user until SIGTERM or SIGINT; they outlive it.
 *
 * @throws StatusError InvalidArgument for a user that is none, and what makes the helper unable to start.
 */
export async function viewHelperCommand({
  user,
  config: file,
  logLevel,
}: ViewHelperCommandOptions): Promise<void> {
  if (!Number.isSafeInteger(user) || user < 1 || user >= 2 ** 32 - 1) {
    throw new StatusError('InvalidArgument', 'view-helper: --user must be the id of a user other than root');
  }
  const log = createLog(logLevel);
  const config = await loadConfig(file, {});
  const { root, max_views: maxViews, max_paths: maxPaths, grace: graceMs, address } = config.view_helper;
  const path = address.startsWith('/') ? address : helperSocket(user);
  const endpoint = activatedEndpoint(process.env, process.pid) ?? { path };
  const options = { root: join(root, String(user)), endpoint, user, nix: nixOptions(config) };
  await runService(() => startViewHelper({ ...options, maxViews, maxPaths, graceMs }, { log }), log);
}
