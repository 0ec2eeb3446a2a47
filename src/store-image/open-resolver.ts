import type { ClosureReader } from '../closure/closure-of-layer.ts';
import { makeDirectories } from '../host/make-directories.ts';
import type { Log } from '../log.ts';
import type { CacheLookup } from '../nix/cache-lookup.ts';
import type { DerivationBuilder } from '../nix/derivation-builder.ts';
import type { RealiseObserver } from '../nix/realise-observer.ts';
import type { NixStore } from '../nix/store.ts';
import type { PolicyGate } from '../policy/gate.ts';
import type { AdmittingQueue } from '../policy/gated-queue.ts';
import { BuiltPaths, type BuildPolicy } from './built-paths.ts';
import { PulledRoots } from './pulled-roots.ts';
import { Resolver, type ResolverDeps } from './resolver.ts';

export interface ResolverSetup {
  readonly deadlineMs: number;
  readonly graceMs: number;
  /** Directory of GC roots. */
  readonly roots: string;
  /** What may be built on this node. */
  readonly build: BuildPolicy;
}

export interface ResolverParts {
  readonly nix: NixStore;
  readonly builder: DerivationBuilder;
  readonly lookup: CacheLookup;
  readonly queue: AdmittingQueue;
  /** Undefined where everything is let in. */
  readonly gate: PolicyGate | undefined;
  readonly closures: ClosureReader;
  readonly isInUse: ResolverDeps['isInUse'];
  readonly log: Log;
  /** Told of builds. */
  readonly observer?: RealiseObserver | undefined;
}

/** Makes the resolver that every door asks, and takes over what an earlier run had rooted. */
export async function openResolver(
  { deadlineMs, graceMs, roots: directory, build: policy }: ResolverSetup,
  { builder, ...deps }: ResolverParts,
): Promise<Resolver> {
  await makeDirectories(directory, 0o700);
  const roots = new PulledRoots({ directory });
  const built = new BuiltPaths({ policy, graceMs }, { ...deps, builder, roots });
  for (const { link, since } of await roots.found()) {
    const root = PulledRoots.buildRoot(link);
    if (root === undefined) deps.queue.keepFound(link, since);
    else built.keepFound(root, since);
  }
  return new Resolver({ deadlineMs }, { ...deps, roots, built });
}
