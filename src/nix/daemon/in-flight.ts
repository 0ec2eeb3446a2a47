import type { StorePath } from '../../closure/store-path.ts';

/** What one realise fetches, and what it leaves to those that began before it. */
export interface Claim extends Disposable {
  /** Nobody else fetches these. */
  readonly mine: readonly StorePath[];
  /** Others fetch these now. */
  readonly theirs: ReadonlySet<StorePath>;
  /** Resolves when the others have ended, well or not. */
  readonly othersEnded: Promise<void>;
}

/**
 * Which paths are being fetched. Nix would fetch one that two connections ask for twice: it locks a path only when the archive
 * comes in, and reads the second archive to its end to throw it away (nix `src/libstore/local-store.cc`, addToStore).
 */
export class InFlight {
  readonly #fetches = new Map<StorePath, Promise<void>>();

  /**
   * Claims the paths that nobody fetches, until the claim is disposed of. A claim waits only for older ones, so none waits for
   * itself.
   */
  claim(paths: readonly StorePath[]): Claim {
    const { promise, resolve } = Promise.withResolvers<void>();
    const mine = paths.filter((path) => !this.#fetches.has(path));
    const theirs = paths.filter((path) => this.#fetches.has(path));
    const others = new Set(theirs.map((path) => this.#fetches.get(path)).filter((end) => end !== undefined));
    for (const path of mine) this.#fetches.set(path, promise);
    return {
      mine,
      theirs: new Set(theirs),
      othersEnded: Promise.all(others).then(() => {}),
      [Symbol.dispose]: () => {
        for (const path of mine) this.#fetches.delete(path);
        resolve();
      },
    };
  }
}

/** Those of `mine` that can be fetched without any of `theirs`: they do not refer to them, however indirectly. */
export function independentOf(
  theirs: ReadonlySet<StorePath>,
  mine: readonly StorePath[],
  references: ReadonlyMap<StorePath, readonly StorePath[]>,
): readonly StorePath[] {
  const dependent = new Set(theirs);
  for (let found = true; found; ) {
    found = false;
    for (const [path, referred] of references) {
      if (dependent.has(path) || !referred.some((reference) => dependent.has(reference))) continue;
      dependent.add(path);
      found = true;
    }
  }
  return mine.filter((path) => !dependent.has(path));
}
