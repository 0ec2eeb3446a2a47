import { lstat, readlink, rm } from 'node:fs/promises';
import { basename, isAbsolute, join } from 'node:path';
import { parseStorePath, type StorePath } from '../closure/store-path.ts';
import { errnoOf, StatusError } from '../errors.ts';
import type { Log } from '../log.ts';
import { argumentChunks } from './argument-chunks.ts';
import { askStoreUri } from './ask-store-uri.ts';
import { collectorEnded, collectorLock } from './collector.ts';
import { collectedError, derivationRefused, nixFailure, realiseFailure } from './failure.ts';
import { besideOf, environment, type NixStoreOptions, settingsOf } from './nix-options.ts';
import { RealiseLog } from './realise-log.ts';
import { rootExpression } from './root-expression.ts';
import { type NixResult, runNix } from './run-nix.ts';
import { realStoreDirOf } from './store-uri.ts';
import type { NixStore, RealiseOptions } from './store.ts';

export interface NixStoreDeps {
  readonly log: Log;
  readonly env: NodeJS.ProcessEnv;
}

/** Longest list of paths that Nix may answer with, in bytes: half a million paths. */
const MAX_ANSWER = 64 * 1024 * 1024;
/** How often a closure is realised again that a garbage collection takes meanwhile. */
const COLLECTED_TRIES = 5;
/** How long the end of a garbage collection is waited for, in milliseconds; a long one must not hold up pulls. */
const COLLECTOR_WAIT_MS = 10_000;
/** How long Nix may take to say which substituter answered what, after a failure. */
const DIAGNOSIS_MS = 15_000;

/** {@link NixStore} by Nix's own programs (2.8 or newer), one process per closure. */
export class NixStoreCli implements NixStore {
  readonly #program: string;
  readonly #env: Readonly<Record<string, string>>;
  readonly #settings: readonly string[];
  readonly #log: Log;
  #realStoreDir: Promise<string> | undefined;

  /**
   * Starts no process: ordinary images need no Nix.
   *
   * @throws StatusError InvalidArgument for a store that cannot be used (see {@link realStoreDirOf}).
   */
  constructor(options: NixStoreOptions, deps: NixStoreDeps) {
    const realStoreDir =
      options.realStoreDir ?? (options.store === undefined ? undefined : realStoreDirOf(options.store));
    if (realStoreDir !== undefined) {
      if (!isAbsolute(realStoreDir)) {
        throw new StatusError(
          'InvalidArgument',
          `real store directory ${realStoreDir}: not an absolute path`,
        );
      }
      this.#realStoreDir = Promise.resolve(realStoreDir);
    }
    this.#program = options.program ?? 'nix-store';
    this.#env = environment(deps.env);
    this.#settings = settingsOf(options);
    this.#log = deps.log;
  }

  realStoreDir(): Promise<string> {
    this.#realStoreDir ??= askStoreUri(besideOf(this.#program, 'nix'), this.#env, this.#log).then(
      realStoreDirOf,
    );
    return this.#realStoreDir;
  }

  /** What `nix-store --version` prints. Throws StatusError FailedPrecondition when Nix is not installed. */
  async version(): Promise<string> {
    const result = await this.#query(['--version']);
    return result.trim();
  }

  async realise(paths: readonly StorePath[], root: string, options: RealiseOptions = {}): Promise<void> {
    const derivations = paths.filter(isDerivation);
    const outputs = paths.filter((path) => !isDerivation(path));
    const [first] = outputs;
    if (first === undefined) throw derivationRefused(derivations);
    const hadRoot = await exists(root);
    try {
      for (let tries = 1; ; tries += 1) {
        await this.#realiseOnce(outputs, root, options);
        if (await this.#outlivedCollector(root, options.signal)) break;
        if (tries === COLLECTED_TRIES) throw collectedError(first, tries);
        this.#log.warn({ path: first }, 'a garbage collection took what was being rooted: realising again');
      }
      if (derivations.length > 0) await this.#checkDerivations(derivations, outputs);
    } catch (error) {
      if (!hadRoot) await this.removeRoot(root);
      throw error;
    }
  }

  async #realiseOnce(outputs: readonly StorePath[], root: string, options: RealiseOptions): Promise<void> {
    if (outputs.length === 1) {
      await this.#substitute(outputs, options, ['--add-root', root, '--indirect']);
      return;
    }
    for (const chunk of argumentChunks(outputs)) await this.#substitute(chunk, options, []);
    await this.#rootAll(outputs, root, options.signal);
  }

  /**
   * A collection that ran while the root was made may take the path all the same: seen in one of fifty pulls beside a collector
   * that never rests; probably it had read the roots before, and the process that held the path by a temporary root ended
   * before it read those. So what is rooted counts when a collection that runs now has ended and it is still there.
   */
  async #outlivedCollector(root: string, signal: AbortSignal | undefined): Promise<boolean> {
    const realStoreDir = await this.realStoreDir();
    if (!(await collectorEnded(collectorLock(realStoreDir), COLLECTOR_WAIT_MS, signal))) {
      this.#log.warn({ root }, 'a garbage collection still runs; its end is not waited for');
    }
    return (await exists(root)) && exists(join(realStoreDir, basename(await readlink(root))));
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

  async removeRoot(root: string): Promise<void> {
    await rm(root, { force: true });
  }

  async #substitute(
    paths: readonly StorePath[],
    options: RealiseOptions,
    rootArgs: readonly string[],
  ): Promise<void> {
    const log = new RealiseLog();
    const result = await runNix({
      program: this.#program,
      args: ['--realise', ...paths, ...rootArgs, ...STRUCTURED, ...this.#settings],
      env: this.#env,
      ...(options.signal === undefined ? {} : { signal: options.signal }),
      onLine: (line) => {
        if (log.add(line)) options.onProgress?.(log.progress());
      },
    });
    if (result.exitCode === 0) return;
    const record = log.record();
    const diagnosis =
      record.messages.length === 0 ? undefined : await this.#diagnose(record.unknownPaths, options);
    throw realiseFailure(paths, result, { ...record, httpStatus: diagnosis ?? record.httpStatus });
  }

  /**
   * The HTTP status that each substituter answers with for `unknown`. Nix takes 401, 403 and 404 all for
   * "has not got it" and tells them apart only in its debug log, which would be too much for a whole closure.
   */
  async #diagnose(
    unknown: readonly string[],
    options: RealiseOptions,
  ): Promise<ReadonlyMap<string, number> | undefined> {
    const path = unknown.map(parseStorePath).find((parsed) => parsed !== undefined);
    if (path === undefined) return undefined;
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
    return log.record().httpStatus;
  }

  async #rootAll(paths: readonly StorePath[], root: string, signal: AbortSignal | undefined): Promise<void> {
    const log = new RealiseLog();
    const result = await runNix({
      program: besideOf(this.#program, 'nix-instantiate'),
      args: ['--add-root', root, '--indirect', '-', ...PLAIN_EVALUATION, ...STRUCTURED, ...this.#settings],
      env: this.#env,
      input: rootExpression(paths),
      ...(signal === undefined ? {} : { signal }),
      onLine: (line) => {
        log.add(line);
      },
    });
    if (result.exitCode !== 0) throw realiseFailure(paths, result, log.record());
  }

  async #checkDerivations(derivations: readonly StorePath[], outputs: readonly StorePath[]): Promise<void> {
    const closure = new Set(await this.closure(outputs));
    const refused = derivations.filter((path) => !closure.has(path));
    if (refused.length > 0) throw derivationRefused(refused);
  }

  async #query(args: readonly string[]): Promise<string> {
    const log = new RealiseLog();
    const result: NixResult = await runNix({
      program: this.#program,
      args: [...args, ...this.#settings],
      env: this.#env,
      maxOutput: MAX_ANSWER,
      onLine: (line) => {
        log.add(line);
      },
    });
    if (result.exitCode !== 0) throw nixFailure(`nix-store ${args[0] ?? ''}`, result, log.record());
    return result.stdout;
  }
}

const STRUCTURED = ['--log-format', 'internal-json'];
const PLAIN_EVALUATION = ['--option', 'restrict-eval', 'false', '--option', 'pure-eval', 'false'];

function isDerivation(path: StorePath): boolean {
  return path.endsWith('.drv');
}

async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw new StatusError('Internal', `GC root ${path}: cannot be looked up`, { cause: error });
  }
}
