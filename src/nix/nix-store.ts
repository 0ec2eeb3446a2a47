import { rm } from 'node:fs/promises';
import { parseStorePath, type StorePath } from '../closure/store-path.ts';
import type { Log } from '../log.ts';
import { argumentChunks } from './argument-chunks.ts';
import { nixFailure, realiseFailure } from './failure.ts';
import { DryRun } from './dry-run.ts';
import { mayBeOutdated } from './failure-cause.ts';
import { Inquiry } from './inquiry.ts';
import { type CollectionSeen, isThere, keepRealised, spareRoot } from './keep-realised.ts';
import { besideOf, environment, FORGET_HITS, type NixStoreOptions, settingsOf } from './nix-options.ts';
import type { Measure, MeasureOptions, Measures } from './measure.ts';
import { NOBODYS_PATH } from './nobodys-path.ts';
import { RealiseLog, type RealiseRecord } from './realise-log.ts';
import { parseRegistration } from './registration.ts';
import { rootArguments, rootExpression } from './root-expression.ts';
import { type NixResult, runNix } from './run-nix.ts';
import type { NixStore, RealiseOptions, ReferenceGraph } from './store.ts';
import { StoreLocation } from './store-location.ts';

export interface NixStoreDeps {
  readonly log: Log;
  readonly env: NodeJS.ProcessEnv;
  /** Told of garbage collections, for metrics. */
  readonly onCollection?: ((seen: CollectionSeen) => void) | undefined;
  /** Shared with another backend of the same store. */
  readonly location?: StoreLocation;
}

/** Longest list of paths that Nix may answer with, in bytes: half a million paths. */
const MAX_ANSWER = 64 * 1024 * 1024;
/** How long Nix may take to say which substituter answered what, after a failure. */
const DIAGNOSIS_MS = 15_000;

/** {@link NixStore} by Nix's own programs (2.8 or newer), one process per closure. */
export class NixStoreCli implements NixStore, Measures {
  readonly #program: string;
  readonly #env: Readonly<Record<string, string>>;
  readonly #settings: readonly string[];
  readonly #log: Log;
  readonly #onCollection: NixStoreDeps['onCollection'];
  readonly #location: StoreLocation;
  readonly #inquiry: Inquiry;

  /**
   * Starts no process: ordinary images need no Nix.
   *
   * @throws StatusError InvalidArgument for a store that cannot be used (see {@link StoreLocation}).
   */
  constructor(options: NixStoreOptions, deps: NixStoreDeps) {
    this.#program = options.program ?? 'nix-store';
    this.#env = environment(deps.env);
    this.#settings = settingsOf(options);
    this.#log = deps.log;
    this.#onCollection = deps.onCollection;
    this.#location = deps.location ?? new StoreLocation(options, deps);
    this.#inquiry = new Inquiry(options, deps);
  }

  /** Asks about a path that nobody has. */
  async answers(signal: AbortSignal): Promise<void> {
    await this.#query(['--check-validity', '--print-invalid', NOBODYS_PATH], signal);
  }

  realStoreDir(): Promise<string> {
    return this.#location.realStoreDir();
  }

  /** What `nix-store --version` prints. Throws StatusError FailedPrecondition when Nix is not installed. */
  async version(): Promise<string> {
    const result = await this.#query(['--version']);
    return result.trim();
  }

  async realise(paths: readonly StorePath[], root: string, options: RealiseOptions = {}): Promise<void> {
    await keepRealised(paths, root, {
      realise: (outputs) => this.#realiseOnce(outputs, root, options),
      survived: async () => {
        const realStoreDir = await this.realStoreDir();
        const [log, onCollection] = [this.#log, this.#onCollection];
        await spareRoot(root, realStoreDir, { log, onCollection, signal: options.signal });
        return await isThere(root, realStoreDir);
      },
      closure: (outputs) => this.closure(outputs),
      removeRoot: () => this.removeRoot(root),
      log: this.#log,
    });
  }

  async #realiseOnce(outputs: readonly StorePath[], root: string, options: RealiseOptions): Promise<void> {
    // Each is a process, whatever it finds.
    await options.mayFetch?.();
    if (outputs.length === 1) {
      await this.#substitute(outputs, options, ['--add-root', root, '--indirect']);
      return;
    }
    for (const chunk of argumentChunks(outputs)) await this.#substitute(chunk, options, []);
    await this.#rootAll(outputs, root, options.signal);
  }

  async valid(paths: readonly StorePath[]): Promise<ReadonlySet<StorePath>> {
    const valid = new Set(paths);
    for (const chunk of argumentChunks([...valid])) {
      const invalid = await this.#query(['--check-validity', '--print-invalid', ...chunk]);
      for (const line of invalid.split('\n')) valid.delete(line as StorePath);
    }
    return valid;
  }

  async closure(paths: readonly StorePath[]): Promise<readonly StorePath[]> {
    const closure = new Set<StorePath>();
    for (const chunk of argumentChunks(paths)) {
      const answer = await this.#query(['--query', '--requisites', ...chunk]);
      for (const line of answer.split('\n')) {
        const path = parseStorePath(line);
        if (path !== undefined) closure.add(path);
      }
    }
    return [...closure].toSorted();
  }

  async references(path: StorePath): Promise<ReadonlySet<StorePath> | undefined> {
    if (!(await this.valid([path])).has(path)) return undefined;
    const answer = await this.#query(['--query', '--references', path]);
    return new Set(
      answer
        .split('\n')
        .map(parseStorePath)
        .filter((reference) => reference !== undefined),
    );
  }

  async referenceGraph(paths: readonly StorePath[]): Promise<ReferenceGraph> {
    const graph = new Map<StorePath, readonly StorePath[]>();
    for (const chunk of argumentChunks(paths)) {
      for (const [path, references] of parseRegistration(await this.#query(['--dump-db', ...chunk])))
        graph.set(path, references);
    }
    return graph;
  }

  async measure(
    paths: readonly StorePath[],
    { signal, local = false }: MeasureOptions = {},
  ): Promise<Measure> {
    const valid = await this.valid(paths);
    const present = await this.#sizes(await this.closure([...valid]));
    const missing = [...new Set(paths)].filter((path) => !valid.has(path));
    const absent = new Map<StorePath, number>();
    let complete = missing.length === 0;
    if (missing.length > 0 && !local) {
      const run = await this.#dryRun(missing, signal);
      for (const path of run.fetched) absent.set(path, run.bytes / run.fetched.length);
      complete = false;
    }
    return { present, absent, complete };
  }

  async removeRoot(root: string): Promise<void> {
    await rm(root, { force: true });
  }

  async #sizes(paths: readonly StorePath[]): Promise<ReadonlyMap<StorePath, number>> {
    const sizes = new Map<StorePath, number>();
    for (const chunk of argumentChunks(paths)) {
      const lines = (await this.#query(['--query', '--size', ...chunk])).split('\n');
      for (const [at, path] of chunk.entries()) sizes.set(path, Number(lines[at]));
    }
    return sizes;
  }

  /** What a realise would fetch; nothing where a cache fails, which a realise says in full. */
  async #dryRun(paths: readonly StorePath[], signal: AbortSignal | undefined): Promise<DryRun> {
    const run = new DryRun();
    for (const chunk of argumentChunks(paths)) {
      await runNix({
        program: this.#program,
        args: ['--realise', '--dry-run', ...chunk, ...this.#settings],
        env: this.#env,
        ...(signal === undefined ? {} : { signal }),
        onLine: (line) => run.add(line),
      });
    }
    return run;
  }

  async #substitute(
    paths: readonly StorePath[],
    options: RealiseOptions,
    rootArgs: readonly string[],
    further: readonly string[] = [],
  ): Promise<void> {
    const log = new RealiseLog(options);
    const result = await runNix({
      program: this.#program,
      args: ['--realise', ...paths, ...rootArgs, ...STRUCTURED, ...this.#settings, ...further],
      env: this.#env,
      ...(options.signal === undefined ? {} : { signal: options.signal }),
      onLine: (line) => {
        if (log.add(line)) options.onProgress?.(log.progress());
      },
    });
    if (result.exitCode === 0) return;
    const record = log.record();
    if (further.length === 0 && mayBeOutdated(record.messages)) {
      await this.#substitute(paths, options, rootArgs, AS_IT_IS_NOW);
      return;
    }
    const explained =
      record.messages.length === 0 ? record : { ...record, ...(await this.#diagnose(record, options)) };
    const facts = await this.#inquiry.factsOf(explained, options.signal);
    throw realiseFailure(paths, result, explained, facts);
  }

  /**
   * The substituters, and the HTTP status that each answers with for the first unknown path. Nix takes 401, 403 and 404 all for
   * "has not got it" and tells them apart only in its debug log, which would be too much for a whole closure.
   */
  async #diagnose(record: RealiseRecord, options: RealiseOptions): Promise<Partial<RealiseRecord>> {
    const path = record.unknownPaths.map(parseStorePath).find((parsed) => parsed !== undefined);
    if (path === undefined) return {};
    const log = new RealiseLog();
    const timeout = AbortSignal.timeout(DIAGNOSIS_MS);
    try {
      await runNix({
        program: this.#program,
        args: ['--realise', '--dry-run', '-vvv', path, ...STRUCTURED, ...this.#settings],
        env: this.#env,
        signal: options.signal === undefined ? timeout : AbortSignal.any([options.signal, timeout]),
        onLine: (line) => {
          log.add(line);
        },
      });
    } catch (error) {
      this.#log.debug({ path, error }, 'cannot ask Nix which substituter answered what');
    }
    const { httpStatus, substituters } = log.record();
    // Whom the realise has asked a Nix that remembers misses does not ask again.
    return { httpStatus, substituters: [...new Set([...record.substituters, ...substituters])] };
  }

  async #rootAll(paths: readonly StorePath[], root: string, signal: AbortSignal | undefined): Promise<void> {
    const log = new RealiseLog();
    const result = await runNix({
      program: besideOf(this.#program, 'nix-instantiate'),
      args: [...rootArguments(root), ...STRUCTURED, ...this.#settings],
      env: this.#env,
      input: rootExpression(paths),
      ...(signal === undefined ? {} : { signal }),
      onLine: (line) => {
        log.add(line);
      },
    });
    if (result.exitCode !== 0) throw realiseFailure(paths, result, log.record());
  }

  async #query(args: readonly string[], signal?: AbortSignal): Promise<string> {
    const log = new RealiseLog();
    const result: NixResult = await runNix({
      program: this.#program,
      args: [...args, ...this.#settings],
      env: this.#env,
      maxOutput: MAX_ANSWER,
      ...(signal === undefined ? {} : { signal }),
      onLine: (line) => {
        log.add(line);
      },
    });
    if (result.exitCode !== 0) throw nixFailure(`nix-store ${args[0] ?? ''}`, result, log.record());
    return result.stdout;
  }
}

const STRUCTURED = ['--log-format', 'internal-json'];
/** A path may have been signed or pushed again since Nix read its description. */
const AS_IT_IS_NOW = Object.entries(FORGET_HITS).flatMap(([name, value]) => ['--option', name, value]);
