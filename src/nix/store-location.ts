import { isAbsolute } from 'node:path';
import { StatusError } from '../errors.ts';
import type { Log } from '../log.ts';
import { askStoreUri } from './ask-store-uri.ts';
import { besideOf, environment, type NixStoreOptions } from './nix-options.ts';
import { realStoreDirOf } from './store-uri.ts';

/** Which store this host has, and where its files are; Nix is asked once, when it has to be. */
export class StoreLocation {
  readonly #ask: () => Promise<string>;
  #uri: Promise<string> | undefined;
  #realStoreDir: Promise<string> | undefined;

  /** @throws StatusError InvalidArgument for a store that cannot be used (see {@link realStoreDirOf}). */
  constructor(
    options: NixStoreOptions,
    { log, env }: { readonly log: Log; readonly env: NodeJS.ProcessEnv },
  ) {
    const { store, realStoreDir, program = 'nix-store' } = options;
    const known = realStoreDir ?? (store === undefined ? undefined : realStoreDirOf(store));
    if (known !== undefined && !isAbsolute(known)) {
      throw new StatusError('InvalidArgument', `real store directory ${known}: not an absolute path`);
    }
    if (known !== undefined) this.#realStoreDir = Promise.resolve(known);
    if (store !== undefined) this.#uri = Promise.resolve(store);
    this.#ask = () => askStoreUri(besideOf(program, 'nix'), environment(env), log);
  }

  /** Nix's `store` setting. */
  uri(): Promise<string> {
    this.#uri ??= this.#ask();
    return this.#uri;
  }

  /** The directory on this host that holds what containers see as `/nix/store`. */
  realStoreDir(): Promise<string> {
    this.#realStoreDir ??= this.uri().then(realStoreDirOf);
    return this.#realStoreDir;
  }
}
