import { StatusError } from '../../errors.ts';
import { besideOf, environment, type NixStoreOptions, settingsOf } from '../nix-options.ts';
import type { StoreLocation } from '../store-location.ts';
import { DaemonConnection, DaemonError, type RunOptions } from './connection.ts';
import { daemonEndpoint } from './endpoint.ts';
import { connectSocket, spawnDaemon, type Transport } from './transport.ts';

export interface DaemonConnectorDeps {
  readonly env: NodeJS.ProcessEnv;
  readonly location: StoreLocation;
}

/** Connects to the daemon of a store: on its socket, or to a `nix-daemon --stdio` of our own. */
export class DaemonConnector {
  readonly #options: NixStoreOptions;
  readonly #env: NodeJS.ProcessEnv;
  readonly #location: StoreLocation;

  constructor(options: NixStoreOptions, { env, location }: DaemonConnectorDeps) {
    this.#options = options;
    this.#env = env;
    this.#location = location;
  }

  /**
   * A connection of its own.
   *
   * @throws StatusError Unavailable, PermissionDenied, FailedPrecondition, Internal: the daemon cannot be used (now).
   */
  async connect(options: RunOptions = {}): Promise<DaemonConnection> {
    const transport = await this.#transport();
    try {
      return await DaemonConnection.open(transport, options);
    } catch (error) {
      if (!(error instanceof DaemonError)) throw error;
      throw new StatusError('PermissionDenied', `Nix daemon (${transport.name}): ${error.message}`);
    }
  }

  async #transport(): Promise<Transport> {
    const endpoint = daemonEndpoint(await this.#location.uri(), this.#env);
    if (endpoint.kind === 'socket') {
      try {
        return await connectSocket(endpoint.path);
      } catch (error) {
        if (!endpoint.orStdio || !(error instanceof StatusError) || error.code !== 'Unavailable') throw error;
      }
    }
    return await spawnDaemon({
      program: besideOf(this.#options.program ?? 'nix-store', 'nix-daemon'),
      args: ['--stdio', ...settingsOf(this.#options)],
      env: environment(this.#env),
    });
  }
}
