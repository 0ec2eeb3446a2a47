import type { ClosureReader } from '../closure/closure-of-layer.ts';
import type { StorePath } from '../closure/store-path.ts';
import type { SnapshotRecord, StoredClosure } from '../metadata/schema.ts';
import type { NixStore } from '../nix/store.ts';
import type { Mount } from '../view/mount.ts';
import { missingPathsError, readEntries } from '../view/entries.ts';
import type { ClosureView, MountPoint, ViewEntry } from '../view/view.ts';
import type { LayerRoots } from './layer-roots.ts';
import type { Layout } from './layout.ts';
import { presentMountPoints } from './mount-points.ts';

export interface ChainViewDeps {
  readonly layout: Layout;
  readonly roots: LayerRoots;
  readonly closures: ClosureReader;
  readonly view: ClosureView;
  readonly nix: NixStore;
}

/** What a container on a chain needs besides its root mount. */
export interface ShownClosures {
  /** To make in the snapshot's own layer, before its first mount. */
  readonly mountPoints: readonly MountPoint[];
  /** To append to the root mount. */
  readonly mounts: readonly Mount[];
}

interface NixLayer {
  readonly id: number;
  readonly closure: StoredClosure;
}

/** Shows the closures of a chain's Nix layers, and sees to it that they are there. */
export class ChainView {
  readonly #deps: ChainViewDeps;

  constructor(deps: ChainViewDeps) {
    this.#deps = deps;
  }

  /**
   * Realises what a layer still lacks (its closure was learnt at Commit, its root is gone, or a path vanished), bounded,
   * then says how to show the union of the closures.
   *
   * @param chain the immediate parent first.
   * @returns undefined when no layer of the chain names store paths.
   * @throws StatusError what realising raises; FailedPrecondition naming a path that cannot be brought back.
   */
  async plan(chain: readonly SnapshotRecord[], signal?: AbortSignal): Promise<ShownClosures | undefined> {
    const { layout, view, nix } = this.#deps;
    const layers = chain.flatMap(({ id, closure }) => (closure === undefined ? [] : [{ id, closure }]));
    if (layers.length === 0) return undefined;
    const entries = (await Promise.all(layers.map((layer) => this.#entriesOf(layer, signal)))).flat();
    return {
      mountPoints: view.mountPoints(entries, await presentMountPoints(chain, layout)),
      mounts: view.mounts(entries, await nix.realStoreDir()),
    };
  }

  async #entriesOf(layer: NixLayer, signal: AbortSignal | undefined): Promise<readonly ViewEntry[]> {
    const { roots, nix } = this.#deps;
    if (roots.isRooted(layer.id)) {
      const found = await this.#look(layer);
      if (found !== undefined && found.missing.length === 0) return found.entries;
    }
    await roots.secureStored(layer.id, layer.closure.closure, signal);
    const realStoreDir = await nix.realStoreDir();
    const { entries, missing } = await readEntries(await this.#pathsOf(layer), realStoreDir);
    if (missing.length > 0) throw missingPathsError(missing, realStoreDir);
    return entries;
  }

  /** What is on disk; undefined when not even the list of the closure is. */
  async #look(layer: NixLayer) {
    const realStoreDir = await this.#deps.nix.realStoreDir();
    const { closure } = layer.closure;
    if (closure.kind === 'closure-info') {
      const { missing } = await readEntries([closure.path], realStoreDir);
      if (missing.length > 0) return undefined;
    }
    return readEntries(await this.#pathsOf(layer), realStoreDir);
  }

  #pathsOf(layer: NixLayer): Promise<readonly StorePath[]> {
    return this.#deps.closures.pathsOf(layer.closure.closure);
  }
}
