import { rm } from 'node:fs/promises';
import type { StorePath } from '../../closure/store-path.ts';
import { StatusError } from '../../errors.ts';
import type { Log } from '../../log.ts';
import { nixFailure, realiseFailure } from '../failure.ts';
import { linkRoot } from '../gc-root-link.ts';
import { awaitCollector, isThere, keepRealised } from '../keep-realised.ts';
import { LEVEL, type LogLine } from '../log-line.ts';
import { besideOf, environment, type NixStoreOptions, overridesOf, settingsOf } from '../nix-options.ts';
import { RealiseLog } from '../realise-log.ts';
import { StoreLocation } from '../store-location.ts';
import type { NixStore, RealiseOptions } from '../store.ts';
import { waitFor } from '../wait-for.ts';
import { DaemonConnection, DaemonError, LONG, type RunOptions } from './connection.ts';
import { daemonEndpoint } from './endpoint.ts';
import { explainFailure } from './explain-failure.ts';
import { InFlight, independentOf } from './in-flight.ts';
import {
  addIndirectRoot,
  addTextToStore,
  buildPaths,
  isValidPath,
  queryMissing,
  queryPathInfo,
  querySubstitutableReferences,
  queryValidPaths,
  setOptions,
} from './operations.ts';
import { ConnectionPool } from './pool.ts';
import { ROOT_NAME, rootTarget } from './root-target.ts';
import { connectSocket, spawnDaemon, type Transport } from './transport.ts';

export interface NixDaemonStoreDeps {
  readonly log: Log;
  readonly env: NodeJS.ProcessEnv;
  /** Shared with another backend of the same store. */
  readonly location?: StoreLocation;
}

/** Two, so that a slow question does not hold up the others; each is a process of Nix. */
const POOLED = 2;
/**
 * A burst of container starts shares a connection; a quiet node keeps no process for it, and a changed nix.conf or a new Nix is
 * used soon.
 */
const IDLE_MS = 30_000;
/** A fetch takes over a connection of at most this age: nix.conf is what it was, and one process serves a quiet node's pull. */
const FRESH_MS = 1000;
/** How many paths are asked about before the answers are awaited. */
const PIPELINED = 256;
/**
 * What the next try does away with. A collector that never rests can take a reference in the middle of a fetch: seen once in
 * 3,000. And Nix 2.8 fails when two of its processes are the first to ask one cache: the second one's note of an answer refers
 * to a row that the first has replaced.
 */
const PASSING = /^error: path '[^']*' is not valid|executing SQLite statement.*binary-cache-v\d+\.sqlite/;
const TRIES = 3;

/**
 * {@link NixStore} by the worker protocol of Nix 2.8 or newer, on the daemon's socket or with a `nix-daemon --stdio` of our own.
 * Questions go over kept connections. Each realise that fetches has its own, which ends with it: Nix holds temporary roots and
 * remembers dead substituters as long as a connection lives, and reads nix.conf when it begins.
 */
export class NixDaemonStore implements NixStore, AsyncDisposable {
  readonly #options: NixStoreOptions;
  readonly #log: Log;
  readonly #env: NodeJS.ProcessEnv;
  readonly #location: StoreLocation;
  readonly #pool: ConnectionPool;
  readonly #inFlight = new InFlight();
  #warned = false;

  /**
   * Connects when it is first asked: ordinary images need no Nix.
   *
   * @throws StatusError InvalidArgument for a store that cannot be used (see {@link StoreLocation}).
   */
  constructor(options: NixStoreOptions, deps: NixDaemonStoreDeps) {
    this.#options = options;
    this.#log = deps.log;
    this.#env = deps.env;
    this.#location = deps.location ?? new StoreLocation(options, deps);
    this.#pool = new ConnectionPool({ size: POOLED, idleMs: IDLE_MS }, { open: () => this.connect() });
  }

  /**
   * A connection of its own.
   *
   * @throws StatusError Unavailable, PermissionDenied, FailedPrecondition, Internal: this backend cannot be used (now).
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

  /** Sees to it that there is a connection; throws as {@link connect}. */
  async reach(): Promise<void> {
    await this.#pool.use(() => Promise.resolve());
  }

  realStoreDir(): Promise<string> {
    return this.#location.realStoreDir();
  }

  async realise(paths: readonly StorePath[], root: string, options: RealiseOptions = {}): Promise<void> {
    await keepRealised(paths, root, {
      realise: async (outputs) => {
        const rooted =
          (await this.#rootValid(outputs, root, options)) ||
          (await this.#rootAllValid(outputs, root, options));
        if (!rooted) await this.#fetch(outputs, root, options);
      },
      survived: async () => await isThere(root, await this.realStoreDir()),
      closure: (outputs) => this.closure(outputs),
      removeRoot: () => this.removeRoot(root),
      log: this.#log,
    });
  }

  async valid(paths: readonly StorePath[]): Promise<ReadonlySet<StorePath>> {
    const [only] = paths;
    if (only === undefined) return new Set();
    if (paths.length === 1) {
      const valid = await this.#ask('IsValidPath', (connection) => connection.ask(isValidPath(only)));
      return new Set(valid ? [only] : []);
    }
    return new Set(
      await this.#ask('QueryValidPaths', (connection) => connection.ask(queryValidPaths(paths))),
    );
  }

  async closure(paths: readonly StorePath[]): Promise<readonly StorePath[]> {
    const closure = new Set(paths);
    await this.#ask('QueryPathInfo', async (connection) => {
      const left = [...closure];
      while (left.length > 0) {
        const asked = left.splice(0, PIPELINED);
        const infos = await connection.run(asked.map(queryPathInfo));
        for (const [at, info] of infos.entries()) {
          if (info === undefined) throw new DaemonError(`error: path '${asked[at] ?? ''}' is not valid`);
          for (const reference of info.references) {
            if (!closure.has(reference)) left.push(reference);
            closure.add(reference);
          }
        }
      }
    });
    return [...closure].toSorted();
  }

  async references(path: StorePath): Promise<ReadonlySet<StorePath> | undefined> {
    const info = await this.#ask('QueryPathInfo', (connection) => connection.ask(queryPathInfo(path)));
    return info === undefined ? undefined : new Set(info.references);
  }

  async removeRoot(root: string): Promise<void> {
    await rm(root, { force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool.close();
  }

  /**
   * Roots what is valid already. A collection that runs when the root is made may have missed it, and is waited for; then
   * {@link keepRealised} sees what it has left.
   *
   * @returns false when something has to be fetched or added.
   */
  async #rootValid(
    outputs: readonly StorePath[],
    root: string,
    { signal }: RealiseOptions,
  ): Promise<boolean> {
    const target = rootTarget(outputs).path;
    const rooted = await this.#ask('AddIndirectRoot', async (connection) => {
      if (!(await connection.ask(isValidPath(target), { signal }))) return false;
      await linkRoot(target, root);
      await connection.ask(addIndirectRoot(root), { signal });
      return true;
    });
    if (rooted) await this.#collectorEnded(root, signal);
    return rooted;
  }

  /**
   * Roots many valid paths that have no text yet which refers to all of them. It is added on a connection of its own, whose
   * temporary root ends with it.
   *
   * @returns false when one of them is not valid.
   */
  async #rootAllValid(
    outputs: readonly StorePath[],
    root: string,
    { signal }: RealiseOptions,
  ): Promise<boolean> {
    if (outputs.length === 1 || (await this.valid(outputs)).size < new Set(outputs).size) return false;
    const connection = await this.connect({ signal });
    try {
      await this.#root(connection, outputs, root, { signal });
      return true;
    } catch (error) {
      // One of them went meanwhile, or Nix says in a realise what else is wrong.
      if (error instanceof DaemonError) return false;
      throw error;
    } finally {
      await connection.close();
    }
  }

  /** Substitutes what is missing, and roots it while the connection's temporary roots hold it. */
  async #fetch(
    outputs: readonly StorePath[],
    root: string,
    options: RealiseOptions,
    tries = TRIES,
  ): Promise<void> {
    const { signal, onProgress } = options;
    const log = new RealiseLog();
    const onLog = (line: LogLine): void => {
      if (log.take(line)) onProgress?.(log.progress());
    };
    const run: RunOptions = { signal, onLog, limits: LONG };
    const connection = this.#pool.takeFresh(FRESH_MS) ?? (await this.connect(run));
    // What comes after a fetch asks again; a process of Nix takes tens of milliseconds to start.
    this.#pool.warm();
    try {
      this.#warnUnlessTrusted(connection);
      await connection.ask(setOptions({ verbosity: LEVEL.info, settings: overridesOf(this.#options) }), run);
      await this.#substitute(connection, outputs, run);
      await this.#root(connection, outputs, root, run);
    } catch (error) {
      if (!(error instanceof DaemonError)) throw error;
      if (tries > 1 && PASSING.test(error.message)) {
        await this.#fetch(outputs, root, options, tries - 1);
        return;
      }
      log.take({ kind: 'message', level: LEVEL.error, text: error.message });
      const record = await explainFailure(outputs, log.record(), {
        connect: (diagnosis) => this.connect(diagnosis),
        settings: overridesOf(this.#options),
        log: this.#log,
        signal,
      });
      throw realiseFailure(outputs, 'refused by daemon', record);
    } finally {
      this.#pool.end(connection);
    }
  }

  /** Fetches each path once, however many realises need it at the same time; the one that began first does. */
  async #substitute(
    connection: DaemonConnection,
    outputs: readonly StorePath[],
    run: RunOptions,
  ): Promise<void> {
    const { substitutable } = await connection.ask(queryMissing(outputs), run);
    using claim = this.#inFlight.claim(substitutable);
    if (claim.theirs.size > 0) {
      const references = await connection.ask(querySubstitutableReferences(substitutable), run);
      const independent = independentOf(claim.theirs, claim.mine, references);
      if (independent.length > 0) await connection.ask(buildPaths(independent), run);
      await waitFor(claim.othersEnded, run, () => `realise ${outputs[0] ?? ''}: waiting for paths of others`);
    }
    await connection.ask(buildPaths(outputs), run);
  }

  /** One root for valid paths, held by the connection until no collection runs that may have missed it. */
  async #root(
    connection: DaemonConnection,
    outputs: readonly StorePath[],
    root: string,
    run: RunOptions,
  ): Promise<void> {
    const { path, text, references } = rootTarget(outputs);
    if (text !== undefined) await connection.ask(addTextToStore(ROOT_NAME, text, references), run);
    await linkRoot(path, root);
    await connection.ask(addIndirectRoot(root), run);
    await this.#collectorEnded(root, run.signal);
  }

  #warnUnlessTrusted({ peer }: DaemonConnection): void {
    if (peer.trusted !== false || this.#warned) return;
    this.#warned = true;
    this.#log.warn(
      { settings: [...overridesOf(this.#options).keys()] },
      'the Nix daemon does not trust this user, so that it may ignore our settings: add the user to trusted-users in nix.conf',
    );
  }

  async #collectorEnded(root: string, signal: AbortSignal | undefined): Promise<void> {
    await awaitCollector(await this.realStoreDir(), root, this.#log, signal);
  }

  async #ask<T>(what: string, question: (connection: DaemonConnection) => Promise<T>): Promise<T> {
    try {
      return await this.#pool.use(question);
    } catch (error) {
      if (!(error instanceof DaemonError)) throw error;
      const log = new RealiseLog();
      log.take({ kind: 'message', level: LEVEL.error, text: error.message });
      throw nixFailure(`Nix daemon, ${what}`, 'refused by daemon', log.record());
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
