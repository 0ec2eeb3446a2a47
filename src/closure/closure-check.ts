import { StatusError } from '../errors.ts';
import type { LayerClosure } from './annotations.ts';
import type { ClosureReader } from './closure-of-layer.ts';
import type { StorePath } from './store-path.ts';

export interface ClosureCheckDeps {
  readonly closures: Pick<ClosureReader, 'pathsOf'>;
  /** The closure of valid paths, as the store knows it. */
  readonly store: { closure(paths: readonly StorePath[]): Promise<readonly StorePath[]> };
}

/**
 * Sees to it that a `closureInfo` output lists only paths that it refers to: its GC root keeps no others, and a container
 * must not be shown what may be collected under it. A path that passed is not asked about again.
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
    const referred = new Set(await store.closure([closure.path]));
    const stray = (await closures.pathsOf(closure)).find((path) => !referred.has(path));
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
