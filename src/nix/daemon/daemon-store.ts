import { lstatSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { StorePath } from '../../closure/store-path.ts';
import type { Log } from '../../log.ts';
import { nixFailure, realiseFailure } from '../failure.ts';
import { linkRoot } from '../gc-root-link.ts';
import { Inquiry } from '../inquiry.ts';
import { type CollectionSeen, isThere, keepRealised, spareRoot } from '../keep-realised.ts';
import { LEVEL } from '../log-line.ts';
import { type NixStoreOptions, overridesOf } from '../nix-options.ts';
import { NOBODYS_PATH } from '../nobodys-path.ts';
import { RealiseLog } from '../realise-log.ts';
import type { Measure, MeasureOptions, Measures } from '../measure.ts';
import type { NixStore, RealiseOptions, ReferenceGraph } from '../store.ts';
import { StoreLocation } from '../store-location.ts';
import { type DaemonConnection, DaemonError } from './connection.ts';
import { DaemonConnector } from './connector.ts';
import { Fetcher } from './fetch.ts';
import { measureClosure } from './measure.ts';
import { addIndirectRoot, isValidPath, queryPathInfo, queryValidPaths, setOptions } from './operations.ts';
import { ConnectionPool } from './pool.ts';
import { closureOf, referenceGraphOf } from './references.ts';
import { rootOutputs } from './root-outputs.ts';
import { rootTarget } from './root-target.ts';
import { NobodyListens } from './transport.ts';

export interface NixDaemonStoreDeps {
  readonly log: Log;
  readonly env: NodeJS.ProcessEnv;
  /** Told of garbage collections, for metrics. */
  readonly onCollection?: ((seen: CollectionSeen) => void) | undefined;
  /** Shared with another backend of the same store. */
  readonly location?: StoreLocation;
}

/** Two: a slow question does not hold up the others, and a fetch takes one over for good. Each is a process of Nix. */
const POOLED = 2;
/** What a pull does after its fetch comes before the start of a process for the next one. */
const WARM_AFTER_MS = 250;
/**
 * A burst of container starts shares a connection; a quiet node keeps no process for it, and a changed nix.conf or a new Nix is
 * used soon.
 */
const KEPT_MS = 30_000;

/**
 * {@link NixStore} by the worker protocol of Nix 2.8 or newer, on the daemon's socket or with a `nix-daemon --stdio` of our own.
 * Questions go over kept connections; for what fetches see {@link Fetcher}.
 */
export class NixDaemonStore implements NixStore, Measures, AsyncDisposable {
  readonly #options: NixStoreOptions;
  readonly #log: Log;
  readonly #onCollection: NixDaemonStoreDeps['onCollection'];
  readonly #location: StoreLocation;
  readonly #connector: DaemonConnector;
  readonly #pool: ConnectionPool;
  readonly #inquiry: Inquiry;
  readonly #fetcher: Fetcher;

  /**
   * Connects when it is first asked: ordinary images need no Nix.
   *
   * @throws StatusError InvalidArgument for a store that cannot be used (see {@link StoreLocation}).
   */
  constructor(options: NixStoreOptions, deps: NixDaemonStoreDeps) {
    this.#options = options;
    this.#log = deps.log;
    this.#onCollection = deps.onCollection;
    this.#location = deps.location ?? new StoreLocation(options, deps);
    this.#connector = new DaemonConnector(options, { env: deps.env, location: this.#location });
    this.#pool = new ConnectionPool(
      { size: POOLED, keptMs: KEPT_MS },
      { open: () => this.#connector.connect() },
    );
    this.#inquiry = new Inquiry(options, deps);
    this.#fetcher = new Fetcher({
      spare: () => this.#pool.take(),
      connect: (run) => this.#connector.connect(run),
      end: (connection) => this.#pool.end(connection),
      // What comes after a fetch asks; a process of Nix takes tens of milliseconds to start.
      opened: () => this.#pool.warm(1),
      spareRoot: (root, signal) => this.#spare(root, signal),
      settings: overridesOf(options),
      inquiry: this.#inquiry,
      log: deps.log,
    });
  }

  /** Sees to it that there is a connection; throws as {@link DaemonConnector.connect}. */
  async reach(): Promise<void> {
    await this.#pool.use(() => Promise.resolve());
  }

  /** Asks about a path that nobody has. */
  async answers(signal: AbortSignal): Promise<void> {
    await this.#ask('IsValidPath', (connection) => connection.ask(isValidPath(NOBODYS_PATH), { signal }));
  }

  realStoreDir(): Promise<string> {
    return this.#location.realStoreDir();
  }

  async realise(paths: readonly StorePath[], root: string, options: RealiseOptions = {}): Promise<void> {
    try {
      await this.#realise(paths, root, options);
    } catch (error) {
      if (!(error instanceof NobodyListens)) throw error;
      const log = new RealiseLog();
      log.take({ kind: 'message', level: LEVEL.error, text: error.said });
      const record = log.record();
      const facts = await this.#inquiry.factsOf(record, options.signal);
      throw realiseFailure(paths, 'refused by daemon', record, facts);
    }
  }

  async #realise(paths: readonly StorePath[], root: string, options: RealiseOptions): Promise<void> {
    await keepRealised(paths, root, {
      realise: async (outputs) => {
        const rooted =
          (await this.#onDisk(outputs)) &&
          ((await this.#rootValid(outputs, root, options)) ||
            (await this.#rootAllValid(outputs, root, options)));
        if (rooted) return;
        await options.mayFetch?.();
        await this.#fetcher.fetch(outputs, root, options);
        setTimeout(() => this.#pool.warm(POOLED), WARM_AFTER_MS).unref();
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
    return await this.#ask('QueryPathInfo', (connection) => closureOf(connection, paths));
  }

  async references(path: StorePath): Promise<ReadonlySet<StorePath> | undefined> {
    const info = await this.#ask('QueryPathInfo', (connection) => connection.ask(queryPathInfo(path)));
    return info === undefined ? undefined : new Set(info.references);
  }

  async referenceGraph(paths: readonly StorePath[]): Promise<ReferenceGraph> {
    return await this.#ask('QueryPathInfo', (connection) => referenceGraphOf(connection, paths));
  }

  async measure(paths: readonly StorePath[], options: MeasureOptions = {}): Promise<Measure> {
    const { signal } = options;
    return await measureClosure(paths, options, {
      ask: async (question) => await this.#ask('QueryPathInfo', question),
      askSubstituters: async (question) => {
        const connection = await this.#connector.connect({ signal });
        try {
          const settings = overridesOf(this.#options);
          await connection.ask(setOptions({ verbosity: LEVEL.error, settings }), { signal });
          return await question(connection);
        } finally {
          this.#pool.end(connection);
        }
      },
    });
  }

  async removeRoot(root: string): Promise<void> {
    await rm(root, { force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool.close();
  }

  /**
   * Roots what is valid already. A collection that runs when the root is made may have missed it: see {@link spareRoot}.
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
    if (rooted) await this.#spare(root, signal);
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
    const connection = await this.#connector.connect({ signal });
    try {
      await rootOutputs(connection, outputs, root, { signal });
      await this.#spare(root, signal);
      return true;
    } catch (error) {
      // One of them went meanwhile, or Nix says in a realise what else is wrong.
      if (error instanceof DaemonError) return false;
      throw error;
    } finally {
      await connection.close();
    }
  }

  /** Whether something lies where each path would; Nix alone knows whether it is valid. */
  async #onDisk(paths: readonly StorePath[]): Promise<boolean> {
    const directory = await this.realStoreDir();
    return paths.every(
      (path) => lstatSync(join(directory, basename(path)), { throwIfNoEntry: false }) !== undefined,
    );
  }

  async #spare(root: string, signal: AbortSignal | undefined): Promise<void> {
    const [log, onCollection] = [this.#log, this.#onCollection];
    await spareRoot(root, await this.realStoreDir(), { log, onCollection, signal });
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
}
