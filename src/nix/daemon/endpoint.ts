import { join } from 'node:path';

/** Where a store's daemon is to be found. */
export type DaemonEndpoint =
  /** `orStdio`: where nobody listens the store can also be served by a child of ours. */
  | { readonly kind: 'socket'; readonly path: string; readonly orStdio: boolean }
  /** `nix-daemon --stdio` as a child of ours. */
  | { readonly kind: 'stdio' };

const STATE_DIR = '/nix/var/nix';

/**
 * The daemon of a store, from the store's URI (see `store-uri.ts`) and Nix's own environment variables. A store that is named
 * as a local one is served by a child of ours: a daemon may be another store's. Source: Nix manual, "Local Daemon Store".
 */
export function daemonEndpoint(uri: string, env: NodeJS.ProcessEnv): DaemonEndpoint {
  const usual =
    env['NIX_DAEMON_SOCKET_PATH'] || join(env['NIX_STATE_DIR'] || STATE_DIR, 'daemon-socket', 'socket');
  const [base = ''] = uri.trim().split('?', 1);
  if (uri.trim() === 'auto' || uri.trim() === '') return { kind: 'socket', path: usual, orStdio: true };
  if (base === 'daemon') return { kind: 'socket', path: usual, orStdio: false };
  if (base.startsWith('unix://')) {
    return { kind: 'socket', path: base.slice('unix://'.length) || usual, orStdio: false };
  }
  return { kind: 'stdio' };
}
