import { LRUCache } from 'lru-cache';
import type { StorePath } from '../closure/store-path.ts';
import { StatusError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { DerivationBuilder } from '../nix/derivation-builder.ts';
import { isDerivation } from '../nix/keep-realised.ts';
import { KeptRoots } from '../nix/kept-roots.ts';
import type { RealiseObserver } from '../nix/realise-observer.ts';
import type { RealiseInFlight } from '../nix/realise-job.ts';
import { type RealiseCall, RealiseQueue } from '../nix/realise-queue.ts';
import { SharedWork } from '../nix/shared-work.ts';
import type { NixStore } from '../nix/store.ts';
import type { SharedDeadline } from '../nix/wait-for.ts';
import type { PulledRoots } from './pulled-roots.ts';

/** What may be built on this node: nothing, derivation files, or flakes, too. */
export type BuildPolicy = 'never' | 'drv' | 'flake';

export interface BuiltPathsOptions {
  readonly policy: BuildPolicy;
  readonly graceMs: number;
}

export interface BuiltPathsDeps {
  readonly nix: Pick<NixStore, 'valid'>;
  readonly builder: Pick<
    DerivationBuilder,
    'realise' | 'removeRoot' | 'outputs' | 'instantiate' | 'rootDerivation'
  >;
  readonly roots: Pick<PulledRoots, 'link' | 'linkOfFlake'>;
  readonly log: Log;
  readonly observer?: RealiseObserver | undefined;
}

/** Throws where the policy refuses what was built. */
type Judge = (output: StorePath) => Promise<void>;
const letIn: Judge = async () => {};

/** Builds use every core that Nix gives them. */
const CONCURRENCY = 1;
const MAX_WAITING = 1000;
/** An evaluation keeps a core busy, and of a large package set takes a gigabyte. */
const EVALUATIONS = 2;
const KEPT_OUTPUTS = 1000;
const NEVER = new AbortController().signal;

/** Builds what references name, where the policy allows it: one build for all who ask for the same. */
export class BuiltPaths implements AsyncDisposable {
  readonly #options: BuiltPathsOptions;
  readonly #deps: BuiltPathsDeps;
  readonly #queue: RealiseQueue;
  readonly #evaluations: SharedWork<StorePath>;
  /** Roots of derivation files that were evaluated and are not built yet. */
  readonly #evaluated: KeptRoots;
  /** What derivations and flakes gave: neither ever gives anything else. */
  readonly #outputs = new LRUCache<string, StorePath>({ max: KEPT_OUTPUTS });

  constructor(options: BuiltPathsOptions, deps: BuiltPathsDeps) {
    this.#options = options;
    this.#deps = deps;
    const { builder: store, log, observer } = deps;
    const { graceMs } = options;
    this.#queue = new RealiseQueue(
      { concurrency: CONCURRENCY, long: 0, maxWaiting: MAX_WAITING, graceMs },
      { store, log, observer },
    );
    this.#evaluated = new KeptRoots(options, { store, log });
    this.#evaluations = new SharedWork(
      { concurrency: EVALUATIONS },
      async (flake, signal) => await this.#evaluate(flake, signal),
    );
  }

  /** Keeps a root of a build or an evaluation that an earlier run of the daemon left, see {@link RealiseQueue.keepFound}. */
  keepFound(root: string, since: number): void {
    if (isDerivation(root)) this.#queue.keepFound(root, since);
    else this.#evaluated.keep(root, root, since);
  }

  /**
   * The default output of a derivation file, built if need be; rooted for the grace period.
   *
   * @param judge throws where nobody may have what was built; then no root of it is left.
   * @throws StatusError FailedPrecondition that names the setting when the policy does not allow it; what the build raises.
   */
  async outputOf(derivation: StorePath, call: RealiseCall, judge: Judge = letIn): Promise<StorePath> {
    const { policy } = this.#options;
    if (policy === 'never')
      throw refused(derivation, 'derivations', 'drv" or "flake', 'name its output path');
    const known = await this.#known(derivation);
    if (known !== undefined) return known;
    if (this.#queue.inFlight().length === 0) return await this.#build(derivation, call, judge);
    // It waits for other builds, for an hour maybe.
    const root = this.#deps.roots.linkOfFlake(derivation);
    const signal = call.signal ?? NEVER;
    await this.#deps.builder.rootDerivation(derivation, root, signal);
    return await this.#holding(root, derivation, () => this.#build(derivation, call, judge));
  }

  async #build(derivation: StorePath, call: RealiseCall, judge: Judge): Promise<StorePath> {
    const { builder, roots } = this.#deps;
    await this.#queue.realiseForLater([derivation], roots.link([derivation]), call);
    const [output] = await builder.outputs(derivation);
    if (output !== undefined) {
      try {
        await judge(output);
      } catch (error) {
        await this.#queue.release([derivation]);
        throw error;
      }
      return this.#remember(derivation, output);
    }
    throw new StatusError('FailedPrecondition', `${derivation}: has no output`);
  }

  /**
   * The default output of what a flake's attribute is; {@link outputOf} in all else.
   *
   * @param flake locked, as Nix spells it.
   */
  async outputOfFlake(flake: string, remaining: SharedDeadline, judge: Judge = letIn): Promise<StorePath> {
    const { policy } = this.#options;
    if (policy !== 'flake') throw refused(flake, 'flakes', 'flake', 'name a store path');
    const known = await this.#known(flake);
    if (known !== undefined) return known;
    const derivation = await this.#evaluations.do(flake, remaining(), `evaluate ${flake}`);
    const root = this.#deps.roots.linkOfFlake(flake);
    const output = await this.#holding(root, flake, async () => {
      const built = await this.#known(derivation);
      return built ?? (await this.#build(derivation, remaining(), judge));
    });
    return this.#remember(flake, output);
  }

  /** Keeps the root of a derivation file until its output has one, or for the grace period after a failure. */
  async #holding(root: string, name: string, build: () => Promise<StorePath>): Promise<StorePath> {
    this.#evaluated.adopt(root);
    let output: StorePath;
    try {
      output = await build();
    } finally {
      this.#evaluated.keep(root, name);
    }
    await this.#evaluated.release(name);
    return output;
  }

  /** The evaluations and builds that are queued or run. */
  inFlight(): readonly RealiseInFlight[] {
    return [...this.#evaluations.inFlight(), ...this.#queue.inFlight()];
  }

  /** Stops what runs and waits for its end. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#evaluations.close();
    await this.#queue.close();
    this.#evaluated.close();
  }

  async #known(name: string): Promise<StorePath | undefined> {
    const output = this.#outputs.get(name);
    return output !== undefined && (await this.#deps.nix.valid([output])).has(output) ? output : undefined;
  }

  #remember(name: string, output: StorePath): StorePath {
    this.#outputs.set(name, output);
    return output;
  }

  async #evaluate(flake: string, signal: AbortSignal): Promise<StorePath> {
    const root = this.#deps.roots.linkOfFlake(flake);
    const derivation = await this.#deps.builder.instantiate(flake, root, signal);
    this.#evaluated.keep(root, flake);
    return derivation;
  }
}

function refused(what: string, kind: string, values: string, otherwise: string): StatusError {
  return new StatusError(
    'FailedPrecondition',
    `${what}: ${kind} are not built on this node; resolver.build = "${values}" in its configuration allows it, or ${otherwise}`,
  );
}
