import type { StorePath } from '../../closure/store-path.ts';

/** One fetch that has not ended. */
export interface RunningFetch {
  readonly outputs: readonly StorePath[];
  /** Resolves when it has ended, well or not. */
  readonly ended: Promise<void>;
}

/** A fetch of our own; disposing of it ends it. */
export interface OwnFetch extends Disposable {
  /** Those that began before it, oldest first. */
  readonly earlier: readonly RunningFetch[];
}

/**
 * Which fetches run. Nix would fetch a path that two of its processes need twice: it locks a path only when the archive comes
 * in, and reads the second archive to its end to throw it away (nix `src/libstore/local-store.cc`, addToStore).
 */
export class InFlight {
  readonly #running = new Set<RunningFetch>();

  /** One waits only for older ones, so that none waits for itself. */
  begin(outputs: readonly StorePath[]): OwnFetch {
    const { promise, resolve } = Promise.withResolvers<void>();
    const earlier = [...this.#running];
    const own: RunningFetch = { outputs, ended: promise };
    this.#running.add(own);
    return {
      earlier,
      [Symbol.dispose]: () => {
        this.#running.delete(own);
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
