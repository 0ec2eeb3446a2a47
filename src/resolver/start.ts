import { loadAccessToken } from './access-token.ts';
import { RegistryServer, type RegistryServerDeps } from './registry-server.ts';

export interface RegistrySetup {
  readonly address: { readonly host: string; readonly port: number };
  readonly tokenFile: string;
  /** How long a pull waits for an image, in milliseconds. */
  readonly deadlineMs: number;
}

/**
 * Starts the registry of the resolver. Disposing of it breaks off what is sent.
 *
 * @throws StatusError FailedPrecondition when it cannot listen, or its token cannot be used.
 */
export async function startRegistry(
  { address, tokenFile, deadlineMs }: RegistrySetup,
  deps: RegistryServerDeps,
): Promise<AsyncDisposable> {
  const token = await loadAccessToken(tokenFile);
  return await RegistryServer.listen({ ...address, token, deadlineMs }, deps);
}
