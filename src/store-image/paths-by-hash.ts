import { readdir } from 'node:fs/promises';
import { LRUCache } from 'lru-cache';
import { parseStorePath, STORE_DIR, type StorePath } from '../closure/store-path.ts';
import { StatusError } from '../errors.ts';
import { type CacheLookup, HAS_NOT, type LookupResult } from '../nix/cache-lookup.ts';
import { SharedWork } from '../nix/shared-work.ts';
import type { NixStore } from '../nix/store.ts';
import type { SharedDeadline } from '../nix/wait-for.ts';

export interface PathsByHashDeps {
  readonly nix: Pick<NixStore, 'realStoreDir' | 'valid'>;
  readonly lookup: Pick<CacheLookup, 'find'>;
}

/** Hashes that caches are asked for at a time; each is a process. */
const LOOKUPS = 8;
const KEPT_HASHES = 1000;

/** Finds the store paths that are named by their hash alone. */
export class PathsByHash implements AsyncDisposable {
  readonly #nix: PathsByHashDeps['nix'];
  readonly #lookups: SharedWork<LookupResult>;
  readonly #known = new LRUCache<string, StorePath>({ max: KEPT_HASHES });

  constructor({ nix, lookup }: PathsByHashDeps) {
    this.#nix = nix;
    this.#lookups = new SharedWork({ concurrency: LOOKUPS }, (hash, gone) => lookup.find(hash, gone));
  }

  /**
   * The path with this hash: one of this store, else the one that a substituter has.
   *
   * @throws StatusError FailedPrecondition when no substituter has one, Unavailable when that is not sure; DeadlineExceeded or
   *   Cancelled when the caller stops waiting.
   */
  async find(hash: string, remaining: SharedDeadline): Promise<StorePath> {
    const known = this.#known.get(hash);
    if (known !== undefined && (await this.#nix.valid([known])).has(known)) return known;
    const candidates = (await readdir(await this.#nix.realStoreDir()))
      .filter((name) => name.startsWith(`${hash}-`))
      .map((name) => parseStorePath(`${STORE_DIR}/${name}`))
      .filter((path) => path !== undefined);
    const [here] = await this.#nix.valid(candidates);
    if (here !== undefined) return this.#keep(hash, here);
    const { path, answers } = await this.#lookups.do(hash, remaining(), `ask the substituters for ${hash}`);
    if (path !== undefined) return this.#keep(hash, path);
    const asked = answers.map(({ substituter, answer }) => `${substituter}: ${answer}`).join(', ');
    const isSure = answers.every(({ answer }) => answer === HAS_NOT);
    const next = isSure
      ? 'push it to a substituter of this host and try again'
      : 'try again when all of them answer';
    throw new StatusError(
      isSure ? 'FailedPrecondition' : 'Unavailable',
      `no path with hash ${hash} is in this store, and no substituter gives one ` +
        `(${asked === '' ? 'none is configured' : asked}); ${next}`,
    );
  }

  /** Stops what is asked. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#lookups.close();
  }

  #keep(hash: string, path: StorePath): StorePath {
    this.#known.set(hash, path);
    return path;
  }
}
