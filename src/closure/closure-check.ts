import { StatusError } from '../errors.ts';
import type { LayerClosure } from './annotations.ts';
import type { ClosureReader } from './closure-of-layer.ts';
import type { StorePath } from './store-path.ts';

export interface ClosureCheckDeps {
  readonly closures: Pick<ClosureReader, 'pathsOf'>;
  readonly store: {
    /** What a path refers to; undefined when it is not valid. */
    references(path: StorePath): Promise<ReadonlySet<StorePath> | undefined>;
    /** The closure of valid paths. */
    closure(paths: readonly StorePath[]): Promise<readonly StorePath[]>;
  };
}

/**
 * Sees to it that a `closureInfo` output lists only paths that it refers to: its GC root keeps no others, and a container
 * must not be shown what may be collected under it. A path that passed is not asked about again.
 *
 * One question is enough for a list as `closureInfo` writes it: it names every path, so that Nix finds a direct reference to
 * each. Only a list that lacks one makes the whole closure be walked.
 */
export class ClosureCheck {
  readonly #deps: ClosureCheckDeps;
  readonly #passed = new Set<StorePath>();

  constructor(deps: ClosureCheckDeps) {
    this.#deps = deps;
  }

  /**
   * @param closure valid and rooted.
   * @throws StatusError InvalidArgument naming the first path that is listed but not referred to.
   */
  async check(closure: LayerClosure): Promise<void> {
    if (closure.kind === 'paths' || this.#passed.has(closure.path)) return;
    const { closures, store } = this.#deps;
    const direct = await store.references(closure.path);
    let strays = (await closures.pathsOf(closure)).filter((path) => direct?.has(path) !== true);
    if (strays.length > 0) {
      const referred = new Set(await store.closure([closure.path]));
      strays = strays.filter((path) => !referred.has(path));
    }
    const [stray] = strays;
    if (stray !== undefined) {
      throw new StatusError(
        'InvalidArgument',
        `closure ${closure.path} lists ${stray} but does not refer to it, so no GC root would keep it; ` +
          'build the image with a closureInfo output: invalid argument',
      );
    }
    this.#passed.add(closure.path);
  }
}
