import { join } from 'node:path';

/** Where files of a user's own daemon are. */
export interface UserPaths {
  readonly config: string;
  readonly address: string;
  readonly root: string;
}

/**
 * Where a daemon that runs without root has its files: the XDG base directory specification. A directory in the environment
 * counts only where it is absolute.
 *
 * @param user user id, as the host knows it.
 */
export function userPaths(env: NodeJS.ProcessEnv, user: number): UserPaths {
  const home = env['HOME'] ?? '/';
  const directory = (name: string, otherwise: string) => {
    const value = env[name];
    return value?.startsWith('/') === true ? value : otherwise;
  };
  const runtime = directory('XDG_RUNTIME_DIR', `/run/user/${user}`);
  return {
    config: join(directory('XDG_CONFIG_HOME', join(home, '.config')), 'nix-snapshotter/config.toml'),
    address: join(runtime, 'nix-snapshotter/nix-snapshotter.sock'),
    root: join(directory('XDG_DATA_HOME', join(home, '.local/share')), 'nix-snapshotter'),
  };
}
