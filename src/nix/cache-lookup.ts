import { parseStorePath, STORE_DIR, type StorePath } from '../closure/store-path.ts';
import { configuredSubstituters } from './configured-substituters.ts';
import { NixCommand } from './nix-command.ts';
import type { NixStoreOptions } from './nix-options.ts';
import { type SubstituterAnswer, withoutCredentials, withoutPasswords } from './substituter-answers.ts';

/** What the caches say to a hash. */
export interface LookupResult {
  readonly path: StorePath | undefined;
  /** Of those that have not got it. */
  readonly answers: readonly SubstituterAnswer[];
}

/** How long one cache may take, in milliseconds. */
const ANSWER_MS = 30_000;
/** A cache takes this name for any name, and answers with the true one. Source: Nix `Store::MissingName`. */
const ANY_NAME = 'x';
/** The answer of a cache that works and has no such path. */
export const HAS_NOT = 'has not got it';
const NOT_VALID = /is not valid|does not exist in binary cache/;

/** Asks binary caches which path a hash belongs to: Nix itself takes paths by their full names only. */
export class CacheLookup {
  readonly #nix: NixCommand;
  readonly #substituters: readonly string[] | undefined;

  constructor(options: NixStoreOptions, deps: { readonly env: NodeJS.ProcessEnv }) {
    this.#nix = new NixCommand(options, deps);
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
    for (const substituter of await this.configured(signal)) {
      const { path, answer } = await this.#ask(substituter, hash, signal);
      if (path !== undefined) return { path, answers };
      answers.push({ substituter: withoutCredentials(substituter), answer });
    }
    return { path: undefined, answers };
  }

  /** The caches of this host. Throws as {@link find}. */
  async configured(signal: AbortSignal): Promise<readonly string[]> {
    return this.#substituters ?? (await configuredSubstituters(this.#nix, signal));
  }

  async #ask(
    substituter: string,
    hash: string,
    signal: AbortSignal,
  ): Promise<{ readonly path: StorePath | undefined; readonly answer: string }> {
    const asked = ['path-info', '--store', substituter, `${STORE_DIR}/${hash}-${ANY_NAME}`];
    const timeout = AbortSignal.timeout(ANSWER_MS);
    try {
      const { exitCode, stdout, said } = await this.#nix.run(asked, AbortSignal.any([signal, timeout]));
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
}
