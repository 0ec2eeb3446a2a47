import type { StorePath } from '../closure/store-path.ts';
import { StatusError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { DerivationBuilder } from '../nix/derivation-builder.ts';
import type { RealiseInFlight } from '../nix/realise-job.ts';
import { type RealiseCall, RealiseQueue } from '../nix/realise-queue.ts';
import type { NixStore } from '../nix/store.ts';
import { type SharedDeadline, waitFor } from '../nix/wait-for.ts';
import type { PulledRoots } from './pulled-roots.ts';

/** What may be built on this node: nothing, derivation files, or flakes, too. */
export type BuildPolicy = 'never' | 'drv' | 'flake';

export interface BuiltPathsOptions {
  readonly policy: BuildPolicy;
  readonly graceMs: number;
}

export interface BuiltPathsDeps {
  readonly nix: Pick<NixStore, 'valid'>;
  readonly builder: Pick<DerivationBuilder, 'realise' | 'removeRoot' | 'outputs' | 'instantiate'>;
  readonly roots: Pick<PulledRoots, 'link'>;
  readonly log: Log;
}

/** Builds use every core that Nix gives them. */
const CONCURRENCY = 1;
const KEPT_OUTPUTS = 1000;

/** Builds what references name, where the policy allows it: one build for all who ask for the same. */
export class BuiltPaths implements AsyncDisposable {
  readonly #options: BuiltPathsOptions;
  readonly #deps: BuiltPathsDeps;
  readonly #queue: RealiseQueue;
  readonly #evaluations = new Map<string, Promise<StorePath>>();
  /** What derivations and flakes gave: neither ever gives anything else. */
  readonly #outputs = new Map<string, StorePath>();
  readonly #closing = new AbortController();

  constructor(options: BuiltPathsOptions, deps: BuiltPathsDeps) {
    this.#options = options;
    this.#deps = deps;
    const { builder: store, log } = deps;
    this.#queue = new RealiseQueue({ concurrency: CONCURRENCY, graceMs: options.graceMs }, { store, log });
  }

  /**
   * The default output of a derivation file, built if need be; rooted for the grace period.
   *
   * @throws StatusError FailedPrecondition that names the setting when the policy does not allow it; what the build raises.
   */
  async outputOf(derivation: StorePath, call: RealiseCall): Promise<StorePath> {
    const { policy } = this.#options;
    if (policy === 'never')
      throw refused(derivation, 'derivations', 'drv" or "flake', 'name its output path');
    const known = await this.#known(derivation);
    if (known !== undefined) return known;
    const { builder, roots } = this.#deps;
    await this.#queue.realiseForLater([derivation], roots.link([derivation]), call);
    const [output] = await builder.outputs(derivation);
    if (output !== undefined) return this.#remember(derivation, output);
    throw new StatusError('FailedPrecondition', `${derivation}: has no output`);
  }

  /**
   * The default output of what a flake's attribute is; {@link outputOf} in all else.
   *
   * @param flake locked, as Nix spells it.
   */
  async outputOfFlake(flake: string, remaining: SharedDeadline): Promise<StorePath> {
    const { policy } = this.#options;
    if (policy !== 'flake') throw refused(flake, 'flakes', 'flake', 'name a store path');
    const known = await this.#known(flake);
    if (known !== undefined) return known;
    let derivation: StorePath | undefined;
    const evaluated = this.#evaluate(flake).then((path) => {
      derivation = path;
    });
    await waitFor(evaluated, remaining(), () => `${flake}: is being evaluated`);
    if (derivation === undefined) throw new StatusError('Internal', `${flake}: was not evaluated`);
    return this.#remember(flake, await this.outputOf(derivation, remaining()));
  }

  inFlight(): readonly RealiseInFlight[] {
    return this.#queue.inFlight();
  }

  /** Stops what runs and waits for its end. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await Promise.allSettled(this.#evaluations.values());
    await this.#queue.close();
  }

  async #known(name: string): Promise<StorePath | undefined> {
    const output = this.#outputs.get(name);
    return output !== undefined && (await this.#deps.nix.valid([output])).has(output) ? output : undefined;
  }

  #remember(name: string, output: StorePath): StorePath {
    this.#outputs.delete(name);
    this.#outputs.set(name, output);
    for (const oldest of this.#outputs.keys()) {
      if (this.#outputs.size <= KEPT_OUTPUTS) break;
      this.#outputs.delete(oldest);
    }
    return output;
  }

  async #evaluate(flake: string): Promise<StorePath> {
    const running = this.#evaluations.get(flake);
    if (running !== undefined) return await running;
    const { signal } = this.#closing;
    const evaluation = this.#deps.builder
      .instantiate(flake, { signal })
      .finally(() => this.#evaluations.delete(flake));
    this.#evaluations.set(flake, evaluation);
    return await evaluation;
  }
}

function refused(what: string, kind: string, values: string, otherwise: string): StatusError {
  return new StatusError(
    'FailedPrecondition',
    `${what}: ${kind} are not built on this node; resolver.build = "${values}" in its configuration allows it, or ${otherwise}`,
  );
}
