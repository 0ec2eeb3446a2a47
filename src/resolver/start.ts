import { makeDirectories } from '../host/make-directories.ts';
import type { Log } from '../log.ts';
import type { RealiseQueue } from '../nix/realise-queue.ts';
import type { NixStore } from '../nix/store.ts';
import { loadAccessToken } from './access-token.ts';
import { PulledRoots } from './pulled-roots.ts';
import { RegistryServer } from './registry-server.ts';
import { Resolver } from './resolver.ts';

export interface ResolverSetup {
  readonly address: { readonly host: string; readonly port: number };
  readonly deadlineMs: number;
  readonly graceMs: number;
  /** Directory of GC roots. */
  readonly roots: string;
  readonly tokenFile: string;
}

/**
 * Starts the resolver: takes over what an earlier run had rooted, and listens. Disposing of it breaks off what is sent.
 *
 * @throws StatusError FailedPrecondition when it cannot listen, or its token cannot be used.
 */
export async function startResolver(
  { address, deadlineMs, graceMs, roots: directory, tokenFile }: ResolverSetup,
  { nix, queue, log }: { readonly nix: NixStore; readonly queue: RealiseQueue; readonly log: Log },
): Promise<AsyncDisposable> {
  await using undo = new AsyncDisposableStack();
  await makeDirectories(directory, 0o700);
  const roots = new PulledRoots({ directory });
  for (const root of await roots.found(graceMs)) queue.keepFound(root);
  const token = await loadAccessToken(tokenFile);
  const resolver = undo.use(new Resolver({ deadlineMs }, { nix, queue, roots, log }));
  undo.use(await RegistryServer.listen({ ...address, token }, { resolver, log }));
  const running = undo.move();
  return { [Symbol.asyncDispose]: () => running.disposeAsync() };
}
