import { existsSync } from 'node:fs';
import { loadConfig } from './load.ts';
import type { Config } from './schema.ts';
import { userPaths } from './user-paths.ts';

export interface DaemonOfUserOptions {
  /** Socket of the daemon; that of its configuration unless told. */
  readonly address?: string | undefined;
  /** The daemon's configuration file. */
  readonly config?: string | undefined;
  /** Directory of the daemon; that of its configuration unless told. */
  readonly root?: string | undefined;
}

/**
 * The configuration of the daemon that whoever runs this process means: root's, or the user's own.
 *
 * @throws StatusError as {@link loadConfig}.
 */
export async function daemonOfUser(
  { address, config, root }: DaemonOfUserOptions,
  { env, getuid }: Pick<NodeJS.Process, 'env' | 'getuid'>,
): Promise<Config> {
  const user = getuid?.() ?? 0;
  const own = user === 0 ? undefined : userPaths(env, user);
  const file = config ?? (own !== undefined && existsSync(own.config) ? own.config : undefined);
  const overrides = {
    ...(address === undefined ? {} : { address }),
    ...(root === undefined ? {} : { root }),
  };
  return await loadConfig(file, overrides, own);
}
