import type { StorePath } from '../closure/store-path.ts';
import { StatusError } from '../errors.ts';
import type { Log } from '../log.ts';
import { NixDaemonStore } from './daemon/daemon-store.ts';
import type { Measure, MeasureOptions, Measures } from './measure.ts';
import type { NixStoreOptions } from './nix-options.ts';
import { NixStoreCli, type NixStoreDeps } from './nix-store.ts';
import type { NixStore, RealiseOptions, ReferenceGraph } from './store.ts';
import { StoreLocation } from './store-location.ts';

/** How the store is reached: the worker protocol, one process for each call, or the first while it works. */
export type NixBackend = 'auto' | 'daemon' | 'nix-store';

/** Which backend was last used, and why. */
export interface BackendInUse {
  readonly name: 'daemon' | 'nix-store';
  readonly reason: string;
}

/** A {@link NixStore} that says how it works; disposing of it ends its connections. */
export interface OpenNixStore extends NixStore, Measures, AsyncDisposable {
  readonly backend: BackendInUse;
  /** Asks Nix for something small. Throws StatusError when it does not answer, or `signal` is aborted before it does. */
  answers(signal: AbortSignal): Promise<void>;
}

export interface OpenNixStoreOptions extends NixStoreOptions {
  readonly backend: NixBackend;
}

/** How long `nix-store` is used before the daemon is tried again, in milliseconds. */
const RETRY_MS = 60_000;

/**
 * Opens the host's store; starts no process and connects to nothing.
 *
 * @throws StatusError InvalidArgument for a store that cannot be used (see {@link StoreLocation}).
 */
export function openNixStore(
  options: OpenNixStoreOptions,
  deps: Omit<NixStoreDeps, 'location'>,
): OpenNixStore {
  const shared = { ...deps, location: new StoreLocation(options, deps) };
  return new ChosenStore(options.backend, {
    daemon: new NixDaemonStore(options, shared),
    cli: new NixStoreCli(options, shared),
    log: deps.log,
  });
}

interface ChosenStoreDeps {
  readonly daemon: NixDaemonStore;
  readonly cli: NixStoreCli;
  readonly log: Log;
}

/** Uses the daemon until it cannot be used, then `nix-store` for a while. */
class ChosenStore implements OpenNixStore {
  readonly #choice: NixBackend;
  readonly #daemon: NixDaemonStore;
  readonly #cli: NixStoreCli;
  readonly #log: Log;
  #inUse: BackendInUse;
  #retryAt = 0;

  constructor(choice: NixBackend, { daemon, cli, log }: ChosenStoreDeps) {
    this.#choice = choice;
    this.#daemon = daemon;
    this.#cli = cli;
    this.#log = log;
    this.#inUse = choice === 'auto' ? DEFAULT : { name: choice, reason: 'configured' };
  }

  get backend(): BackendInUse {
    return this.#inUse;
  }

  realStoreDir(): Promise<string> {
    return this.#daemon.realStoreDir();
  }

  async realise(paths: readonly StorePath[], root: string, options?: RealiseOptions): Promise<void> {
    await this.#use((store) => store.realise(paths, root, options));
  }

  async valid(paths: readonly StorePath[]): Promise<ReadonlySet<StorePath>> {
    return await this.#use((store) => store.valid(paths));
  }

  async closure(paths: readonly StorePath[]): Promise<readonly StorePath[]> {
    return await this.#use((store) => store.closure(paths));
  }

  async references(path: StorePath): Promise<ReadonlySet<StorePath> | undefined> {
    return await this.#use((store) => store.references(path));
  }

  async referenceGraph(paths: readonly StorePath[]): Promise<ReferenceGraph> {
    return await this.#use((store) => store.referenceGraph(paths));
  }

  async answers(signal: AbortSignal): Promise<void> {
    await this.#use((store) => store.answers(signal));
  }

  async measure(paths: readonly StorePath[], options?: MeasureOptions): Promise<Measure> {
    return await this.#use((store) => store.measure(paths, options));
  }

  removeRoot(root: string): Promise<void> {
    return this.#daemon.removeRoot(root);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#daemon[Symbol.asyncDispose]();
  }

  /** @param work can be repeated. */
  async #use<T>(work: (store: NixDaemonStore | NixStoreCli) => Promise<T>): Promise<T> {
    if (this.#choice === 'daemon') return await work(this.#daemon);
    if (this.#choice === 'nix-store') return await work(this.#cli);
    const fellBack = this.#inUse.name === 'nix-store';
    if (fellBack && (performance.now() < this.#retryAt || !(await this.#reach())))
      return await work(this.#cli);
    try {
      return await work(this.#daemon);
    } catch (error) {
      // A daemon that cannot be used is told from one that refuses by connecting once more.
      const told = error instanceof StatusError && CONNECT_CODES.has(error.code);
      if (!told || (await this.#reach())) throw error;
      return await work(this.#cli);
    }
  }

  async #reach(): Promise<boolean> {
    try {
      await this.#daemon.reach();
      this.#inUse = DEFAULT;
      return true;
    } catch (error) {
      if (!(error instanceof StatusError)) throw error;
      this.#retryAt = performance.now() + RETRY_MS;
      const reason = `the daemon cannot be used: ${error.message}`;
      if (this.#inUse.reason !== reason)
        this.#log.warn({ error: error.message }, 'using nix-store: the Nix daemon cannot be used');
      this.#inUse = { name: 'nix-store', reason };
      return false;
    }
  }
}

/** What connecting to the daemon raises. */
const CONNECT_CODES: ReadonlySet<string> = new Set([
  'Unavailable',
  'PermissionDenied',
  'FailedPrecondition',
  'Internal',
]);
const DEFAULT: BackendInUse = { name: 'daemon', reason: 'default' };
