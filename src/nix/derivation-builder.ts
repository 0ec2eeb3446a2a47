import { readdir, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { parseStorePath, type StorePath, storePathName } from '../closure/store-path.ts';
import { StatusError } from '../errors.ts';
import { buildFailure } from './failure.ts';
import { besideOf, environment, type NixStoreOptions, settingsOf } from './nix-options.ts';
import { RealiseLog } from './realise-log.ts';
import { runNix } from './run-nix.ts';
import type { NixStore, RealiseOptions } from './store.ts';

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

  constructor(options: NixStoreOptions, { env }: { readonly env: NodeJS.ProcessEnv }) {
    this.#program = options.program ?? 'nix-store';
    this.#env = environment(env);
    this.#settings = settingsOf(options);
  }

  /**
   * Builds (or substitutes) every output of a derivation.
   *
   * @param paths one derivation file; it need not be valid yet.
   * @param root the link to make for an output; those for further outputs are called like it with a suffix.
   * @throws StatusError with the last lines of the build.
   */
  async realise(paths: readonly StorePath[], root: string, options: RealiseOptions = {}): Promise<void> {
    const args = ['--realise', ...paths, '--add-root', root, '--indirect', ...STRUCTURED];
    await this.#run(paths[0] ?? '(nothing)', args, options);
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
   * @returns the derivation file, which is valid now and has no root.
   */
  async instantiate(flake: string, options: RealiseOptions = {}): Promise<StorePath> {
    const args = ['path-info', '--derivation', flake, ...LOCKED_ONLY, ...STRUCTURED];
    const answer = await this.#run(flake, args, options, besideOf(this.#program, 'nix'));
    const derivation = parseStorePath(answer.trim());
    if (derivation?.endsWith('.drv') === true) return derivation;
    throw new StatusError('InvalidArgument', `${flake}: is no derivation; name one, as in …:hello`);
  }

  async removeRoot(root: string): Promise<void> {
    const directory = dirname(root);
    const name = basename(root);
    const links = (await readdir(directory)).filter((link) => link === name || link.startsWith(`${name}-`));
    for (const link of links) await rm(join(directory, link), { force: true });
  }

  /** @param what is built or evaluated, for messages. */
  async #run(
    what: string,
    args: readonly string[],
    { signal, onProgress }: RealiseOptions = {},
    program = this.#program,
  ): Promise<string> {
    const log = new RealiseLog();
    const result = await runNix({
      program,
      args: [...args, ...this.#settings],
      env: this.#env,
      maxOutput: MAX_ANSWER,
      ...(signal === undefined ? {} : { signal }),
      onLine: (line) => {
        if (log.add(line)) onProgress?.(log.progress());
      },
    });
    if (result.exitCode === 0) return result.stdout;
    throw buildFailure(what, result, log.record());
  }
}

/** A store path's name without its hash. */
function nameOf(path: StorePath): string {
  return storePathName(path).slice(33);
}
