import { makeDirectories } from '../host/make-directories.ts';
import type { Log } from '../log.ts';
import type { RealiseQueue } from '../nix/realise-queue.ts';
import type { NixStore } from '../nix/store.ts';
import { PulledRoots } from './pulled-roots.ts';
import { Resolver } from './resolver.ts';

export interface ResolverSetup {
  readonly deadlineMs: number;
  readonly graceMs: number;
  /** Directory of GC roots. */
  readonly roots: string;
}

/** Makes the resolver that every door asks, and takes over what an earlier run had rooted. */
export async function openResolver(
  { deadlineMs, graceMs, roots: directory }: ResolverSetup,
  { nix, queue, log }: { readonly nix: NixStore; readonly queue: RealiseQueue; readonly log: Log },
): Promise<Resolver> {
  await makeDirectories(directory, 0o700);
  const roots = new PulledRoots({ directory });
  for (const root of await roots.found(graceMs)) queue.keepFound(root);
  return new Resolver({ deadlineMs }, { nix, queue, roots, log });
}
