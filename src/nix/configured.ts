import type { Config } from '../config/schema.ts';
import type { OpenNixStoreOptions } from './open-store.ts';

/** How the configuration says that Nix is reached. */
export function nixOptions({ nix }: Config): OpenNixStoreOptions & { readonly program: string } {
  const { backend, store, nix_store: program, substituters } = nix;
  return {
    backend,
    program,
    ...(store === 'auto' ? {} : { store }),
    ...(substituters === undefined ? {} : { substituters }),
  };
}
