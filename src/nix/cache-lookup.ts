import { parseStorePath, STORE_DIR, type StorePath } from '../closure/store-path.ts';
import { type SubstituterAnswer, withoutCredentials, withoutPasswords } from './failure.ts';
import { StatusError } from '../errors.ts';
import { besideOf, environment, type NixStoreOptions, settingsOf } from './nix-options.ts';
import { RealiseLog } from './realise-log.ts';
import { runNix } from './run-nix.ts';

/** What the caches say to a hash. */
export interface LookupResult {
  readonly path: StorePath | undefined;
  /** Of those that have not got it. */
  readonly answers: readonly SubstituterAnswer[];
}

const MAX_ANSWER = 256 * 1024;
/** How long one cache may take, in milliseconds. */
const ANSWER_MS = 30_000;
const COMMANDS = ['--extra-experimental-features', 'nix-command'];
/** A cache takes this name for any name, and answers with the true one. Source: Nix `Store::MissingName`. */
const ANY_NAME = 'x';
/** The answer of a cache that works and has no such path. */
export const HAS_NOT = 'has not got it';
const NOT_VALID = /is not valid|does not exist in binary cache/;

/** Asks binary caches which path a hash belongs to: Nix itself takes paths by their full names only. */
export class CacheLookup {
  readonly #program: string;
  readonly #env: Readonly<Record<string, string>>;
  readonly #settings: readonly string[];
  readonly #substituters: readonly string[] | undefined;

  constructor(options: NixStoreOptions, { env }: { readonly env: NodeJS.ProcessEnv }) {
    this.#program = besideOf(options.program ?? 'nix-store', 'nix');
    this.#env = environment(env);
    // Which store it is about, each call says.
    const { store: _, ...others } = options;
    this.#settings = settingsOf(others);
    this.#substituters = options.substituters;
  }

  /**
   * The path with this hash of the first substituter that has one.
   *
   * @param hash 32 characters of Nix's base 32.
   * @throws StatusError FailedPrecondition when `nix` is absent, Cancelled.
   */
  async find(hash: string, signal: AbortSignal): Promise<LookupResult> {
    const answers: SubstituterAnswer[] = [];
    for (const substituter of await this.#configured(signal)) {
      const { path, answer } = await this.#ask(substituter, hash, signal);
      if (path !== undefined) return { path, answers };
      answers.push({ substituter: withoutCredentials(substituter), answer });
    }
    return { path: undefined, answers };
  }

  async #configured(signal: AbortSignal): Promise<readonly string[]> {
    if (this.#substituters !== undefined) return this.#substituters;
    // The second is the older name of the first (before Nix 2.20).
    for (const command of [['config', 'show'], ['show-config']]) {
      const { exitCode, stdout } = await this.#run(command, signal);
      if (exitCode !== 0) continue;
      const line = /^substituters = (.*)$/m.exec(stdout)?.[1] ?? '';
      return line.split(' ').filter((word) => word !== '');
    }
    throw new StatusError(
      'FailedPrecondition',
      `${this.#program} config show: fails, so that nobody knows which caches to ask; name them as nix.substituters`,
    );
  }

  async #ask(
    substituter: string,
    hash: string,
    signal: AbortSignal,
  ): Promise<{ readonly path: StorePath | undefined; readonly answer: string }> {
    const asked = ['path-info', '--store', substituter, `${STORE_DIR}/${hash}-${ANY_NAME}`];
    const timeout = AbortSignal.timeout(ANSWER_MS);
    try {
      const { exitCode, stdout, said } = await this.#run(asked, AbortSignal.any([signal, timeout]));
      const path = exitCode === 0 ? parseStorePath(stdout.trim()) : undefined;
      if (path?.startsWith(`${STORE_DIR}/${hash}-`) === true) return { path, answer: 'has it' };
      return {
        path: undefined,
        answer: NOT_VALID.test(said) ? HAS_NOT : withoutPasswords(said).slice(0, 200),
      };
    } catch (error) {
      if (signal.aborted || !timeout.aborted) throw error;
      return { path: undefined, answer: `did not answer in ${ANSWER_MS / 1000} s` };
    }
  }

  async #run(args: readonly string[], signal: AbortSignal) {
    const log = new RealiseLog();
    const { exitCode, stdout } = await runNix({
      program: this.#program,
      args: [...args, ...COMMANDS, ...this.#settings],
      env: this.#env,
      maxOutput: MAX_ANSWER,
      signal,
      onLine: (line) => {
        log.add(line);
      },
    });
    const errors = log.record().messages.filter((message) => message.startsWith('error'));
    return { exitCode, stdout, said: errors.at(-1) ?? `nix ended with exit status ${exitCode ?? 'unknown'}` };
  }
}
