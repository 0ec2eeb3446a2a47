import type { MetadataStore } from '../metadata/store.ts';
import type { Mount } from '../view/mount.ts';
import type { LayerRoots } from './layer-roots.ts';
import type { Layout } from './layout.ts';

export interface UnpackGateDeps {
  readonly store: MetadataStore;
  readonly layout: Layout;
  readonly roots: LayerRoots;
}

/** Lets the unpacking of a layer go on when its store paths are valid and rooted. */
export class UnpackGate {
  readonly #deps: UnpackGateDeps;

  constructor(deps: UnpackGateDeps) {
    this.#deps = deps;
  }

  /**
   * Waits, bounded, for the closure of the snapshot that these mounts write to; returns at once for anything else.
   *
   * @throws StatusError what realising raises.
   */
  async pass(mounts: readonly Mount[], signal: AbortSignal): Promise<void> {
    const { store, roots } = this.#deps;
    const id = this.#writtenId(mounts);
    if (id === undefined || roots.isRooted(id)) return;
    const stored = store.list().find((record) => record.id === id)?.closure;
    if (stored !== undefined) await roots.secureStored(id, stored.closure, signal);
  }

  /** The id in `<snapshots>/<id>/fs`: the upper directory of an overlay, or the source of a bind. */
  #writtenId(mounts: readonly Mount[]): number | undefined {
    const [mount] = mounts;
    const upper = mount?.options.find((option) => option.startsWith('upperdir='))?.slice('upperdir='.length);
    const directory = upper ?? mount?.source ?? '';
    const prefix = `${this.#deps.layout.snapshots}/`;
    if (!directory.startsWith(prefix)) return undefined;
    const id = /^(\d+)\/fs$/.exec(directory.slice(prefix.length))?.[1];
    return id === undefined ? undefined : Number(id);
  }
}
