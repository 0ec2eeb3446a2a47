import { readdir, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { parseStorePath, type StorePath, storePathName } from '../closure/store-path.ts';
import { StatusError } from '../errors.ts';
import type { Log } from '../log.ts';
import { buildFailure, collectedError } from './failure.ts';
import { type CollectionSeen, isThere, spareRoot } from './keep-realised.ts';
import { besideOf, environment, type NixStoreOptions, settingsOf } from './nix-options.ts';
import { RealiseLog } from './realise-log.ts';
import { rootArguments, rootExpression } from './root-expression.ts';
import { runNix } from './run-nix.ts';
import type { NixStore, RealiseOptions } from './store.ts';

export interface DerivationBuilderOptions extends NixStoreOptions {
  /** How long the build of one derivation, or an evaluation, may take, in milliseconds. */
  readonly timeoutMs: number;
}

export interface DerivationBuilderDeps {
  readonly nix: Pick<NixStore, 'realStoreDir' | 'valid'>;
  readonly env: NodeJS.ProcessEnv;
  /** Told of garbage collections, for metrics. */
  readonly onCollection?: ((seen: CollectionSeen) => void) | undefined;
  readonly log: Log;
}

/** How often is built or evaluated what a garbage collection takes before it is rooted. */
const TRIES = 2;
/** Longest list of outputs, in bytes. */
const MAX_ANSWER = 1024 * 1024;
const STRUCTURED = ['--log-format', 'internal-json'];
/** A flake may neither choose settings of this host nor be completed from elsewhere: all of it is in its reference. */
const LOCKED_ONLY = [
  '--extra-experimental-features',
  'nix-command flakes',
  '--option',
  'accept-flake-config',
  'false',
  '--option',
  'use-registries',
  'false',
  '--no-update-lock-file',
];

/**
 * Builds derivations with Nix's own programs. Whoever may name a derivation runs its builder on this host: callers see to it
 * that a setting allows it.
 */
export class DerivationBuilder implements Pick<NixStore, 'realise' | 'removeRoot'> {
  readonly #program: string;
  readonly #env: Readonly<Record<string, string>>;
  readonly #settings: readonly string[];
  readonly #timeoutMs: number;
  readonly #deps: DerivationBuilderDeps;

  constructor(options: DerivationBuilderOptions, deps: DerivationBuilderDeps) {
    this.#program = options.program ?? 'nix-store';
    this.#env = environment(deps.env);
    const seconds = Math.ceil(options.timeoutMs / 1000);
    this.#settings = [...settingsOf(options), '--option', 'timeout', String(seconds)];
    this.#timeoutMs = options.timeoutMs;
    this.#deps = deps;
  }

  /**
   * Builds (or substitutes) every output of a derivation.
   *
   * @param paths one derivation file; it need not be valid yet.
   * @param root the link to make for an output; those for further outputs are called like it with a suffix.
   * @throws StatusError with the last lines of the build.
   */
  async realise(paths: readonly StorePath[], root: string, options: RealiseOptions = {}): Promise<void> {
    const what = paths[0] ?? '(nothing)';
    const args = ['--realise', ...paths, '--add-root', root, '--indirect', ...STRUCTURED];
    await options.mayFetch?.();
    for (let tries = 1; ; tries += 1) {
      await this.#run(what, args, options);
      if (await this.#survived(root, options.signal)) return;
      this.#deps.log.warn({ path: what }, 'a garbage collection took what was built before it was rooted');
      if (tries < TRIES) continue;
      await this.removeRoot(root);
      throw collectedError(what, tries);
    }
  }

  /** The outputs of a valid derivation file: its default one first. */
  async outputs(derivation: StorePath): Promise<readonly StorePath[]> {
    const answer = await this.#run(derivation, ['--query', '--outputs', derivation]);
    const outputs = answer.split('\n').flatMap((line) => parseStorePath(line) ?? []);
    // Only the output `out` has no suffix of its own.
    const name = nameOf(derivation).replace(/\.drv$/, '');
    return outputs.toSorted((a, b) => Number(nameOf(b) === name) - Number(nameOf(a) === name));
  }

  /**
   * Evaluates a flake's attribute.
   *
   * @param flake a locked reference, with `#attribute` where it is not the default one.
   * @param root the link to make, which protects the derivation file and what it needs.
   * @returns the derivation file, which is valid now.
   * @throws StatusError with Nix's last lines; FailedPrecondition when it takes too long.
   */
  async instantiate(flake: string, root: string, signal: AbortSignal): Promise<StorePath> {
    const timeout = AbortSignal.timeout(this.#timeoutMs);
    const limited = AbortSignal.any([signal, timeout]);
    try {
      for (let tries = 1; ; tries += 1) {
        const derivation = await this.#evaluate(flake, limited);
        if (await this.rootDerivation(derivation, root, limited)) return derivation;
        this.#deps.log.warn({ path: derivation }, 'a garbage collection took it before it was rooted');
        if (tries === TRIES) throw collectedError(derivation, tries);
      }
    } catch (error) {
      await this.removeRoot(root);
      if (signal.aborted || !timeout.aborted) throw error;
      throw new StatusError(
        'FailedPrecondition',
        `evaluate ${flake}: not finished in ${this.#timeoutMs / 1000} s; mend it, or raise resolver.build_timeout`,
        { cause: error },
      );
    }
  }

  async #evaluate(flake: string, signal: AbortSignal): Promise<StorePath> {
    const args = ['path-info', '--derivation', flake, ...LOCKED_ONLY, ...STRUCTURED];
    const answer = await this.#run(flake, args, { signal }, { program: besideOf(this.#program, 'nix') });
    const derivation = parseStorePath(answer.trim());
    if (derivation?.endsWith('.drv') === true) return derivation;
    throw new StatusError('InvalidArgument', `${flake}: is no derivation; name one, as in …:hello`);
  }

  async removeRoot(root: string): Promise<void> {
    for (const link of await linksOf(root)) await rm(link, { force: true });
  }

  /**
   * Roots a derivation file with what it needs; says whether it is there then.
   *
   * @throws StatusError when it is valid and cannot be rooted.
   */
  async rootDerivation(derivation: StorePath, root: string, signal: AbortSignal): Promise<boolean> {
    const args = [...rootArguments(root), ...STRUCTURED];
    const program = besideOf(this.#program, 'nix-instantiate');
    try {
      await this.#run(derivation, args, { signal }, { program, input: rootExpression([derivation]) });
    } catch (error) {
      if ((await this.#deps.nix.valid([derivation])).has(derivation)) throw error;
      return false;
    }
    return await this.#survived(root, signal);
  }

  /** Has a garbage collection that runs now spare what was rooted; says whether it did. */
  async #survived(root: string, signal: AbortSignal | undefined): Promise<boolean> {
    const realStoreDir = await this.#deps.nix.realStoreDir();
    const links = await linksOf(root);
    for (const link of links) {
      const { log, onCollection } = this.#deps;
      await spareRoot(link, realStoreDir, { log, onCollection, signal });
      if (!(await isThere(link, realStoreDir))) return false;
    }
    return links.length > 0;
  }

  /** @param what is built or evaluated, for messages. */
  async #run(
    what: string,
    args: readonly string[],
    { signal, onProgress, onReceived }: RealiseOptions = {},
    { program = this.#program, input }: { readonly program?: string; readonly input?: string } = {},
  ): Promise<string> {
    const log = new RealiseLog({ onReceived });
    const result = await runNix({
      program,
      args: [...args, ...this.#settings],
      env: this.#env,
      maxOutput: MAX_ANSWER,
      ...(input === undefined ? {} : { input }),
      ...(signal === undefined ? {} : { signal }),
      onLine: (line) => {
        if (log.add(line)) onProgress?.(log.progress());
      },
    });
    if (result.exitCode === 0) return result.stdout;
    throw buildFailure(what, result, log.record());
  }
}

/** A root's links: the further outputs have their own. */
async function linksOf(root: string): Promise<readonly string[]> {
  const directory = dirname(root);
  const name = basename(root);
  const links = (await readdir(directory)).filter((link) => link === name || link.startsWith(`${name}-`));
  return links.map((link) => join(directory, link));
}

/** A store path's name without its hash. */
function nameOf(path: StorePath): string {
  return storePathName(path).slice(33);
}
