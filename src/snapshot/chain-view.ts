import type { ClosureReader } from '../closure/closure-of-layer.ts';
import type { StorePath } from '../closure/store-path.ts';
import { StatusError } from '../errors.ts';
import type { IdMapping } from '../host/mount.ts';
import type { SnapshotRecord, StoredClosure } from '../metadata/schema.ts';
import type { NixStore } from '../nix/store.ts';
import { bindsView } from '../view/binds.ts';
import type { ViewChoice } from '../view/choice.ts';
import { missingPathsError, readEntries } from '../view/entries.ts';
import type { ClosureViews, ShownView } from '../view/overlay/closure-views.ts';
import type { MappedViews } from '../view/overlay/mapped-views.ts';
import type { BoundViewName, ClosureEntry, ViewName } from '../view/view.ts';
import { wholeStoreView } from '../view/whole-store.ts';
import type { LayerRoots } from './layer-roots.ts';
import type { Layout } from './layout.ts';
import { presentMountPoints } from './mount-points.ts';
import { fitsOnePage } from './root-mounts.ts';
import type { ShownChain } from './shown-chain.ts';

export interface ChainViewDeps {
  readonly layout: Layout;
  readonly roots: LayerRoots;
  readonly closures: ClosureReader;
  readonly choice: ViewChoice;
  readonly overlays: ClosureViews;
  readonly mappedViews: MappedViews;
  readonly nix: NixStore;
}

/** A stored layer that has a closure. */
export interface NixLayer {
  readonly id: number;
  readonly closure: StoredClosure;
}

/** Why an overlay view cannot be had. */
interface Refused {
  readonly refused: string;
}

/** What is not on this host of a closure; empty when not even its list is. */
interface Missing {
  readonly missing: readonly StorePath[];
}

/** What is asked of {@link ChainView.plan} besides the chain. */
export interface ShowRequest {
  /** The view that the snapshot was made with; undefined for a new one. */
  readonly stored?: ViewName | undefined;
  /** Of a user-namespaced container. */
  readonly mapping?: IdMapping | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Shows the closures of a chain's Nix layers, and sees to it that they are there. */
export class ChainView {
  readonly #deps: ChainViewDeps;

  constructor(deps: ChainViewDeps) {
    this.#deps = deps;
  }

  /**
   * Realises what a layer still lacks (its closure was learnt at Commit, its root is gone, or a path vanished), bounded,
   * then says how to show the chain.
   *
   * @param chain the immediate parent first.
   * @throws StatusError what realising raises; FailedPrecondition naming a path that cannot be brought back, or why the view
   *   cannot be had.
   */
  async plan(chain: readonly SnapshotRecord[], request: ShowRequest): Promise<ShownChain> {
    const { choice } = this.#deps;
    const { stored, signal } = request;
    const layers = chain.flatMap(({ id, closure }) => (closure === undefined ? [] : [{ id, closure }]));
    if (layers.length === 0) return this.plain(chain);
    const wanted = stored ?? choice.current;
    if (wanted !== 'overlay') return this.#bound(wanted, chain, layers, signal);
    const views = await this.#views(layers, signal);
    const shown = 'refused' in views ? views : await this.#overlaid(chain, views, request.mapping);
    if (!('refused' in shown)) return shown;
    if ('refused' in views) choice.refused(views.refused);
    else choice.refusedOne(shown.refused);
    if (stored === undefined && choice.mayFallBack) return this.#bound('binds', chain, layers, signal);
    throw new StatusError(
      'FailedPrecondition',
      `the overlay view of ${nameOf(layers)} cannot be used: ${shown.refused}; set view = "binds" in the configuration ` +
        'and create the container again: failed precondition',
    );
  }

  /** Keeps what a user-namespaced container has mounted while `work` makes its snapshot. */
  holding<T>(mapping: IdMapping | undefined, work: () => Promise<T>): Promise<T> {
    return mapping === undefined ? work() : this.#deps.mappedViews.holding(mapping, work);
  }

  /** A chain without closures, or one that a layer is unpacked on. */
  plain(chain: readonly SnapshotRecord[]): ShownChain {
    const lowers = chain.map(({ id }) => this.#deps.layout.fs(id));
    return { view: undefined, lowers, mapped: false, mountPoints: [], mounts: [] };
  }

  /** Each view lies directly above its layer's own directory. */
  async #overlaid(
    chain: readonly SnapshotRecord[],
    views: ReadonlyMap<number, ShownView>,
    mapping: IdMapping | undefined,
  ): Promise<ShownChain | Refused> {
    const { layout, mappedViews } = this.#deps;
    const mapped = mapping === undefined ? undefined : await mappedViews.show(mapping, [...views.values()]);
    const roots = mapped?.roots ?? [...views.values()].map(({ root }) => root);
    const rootOf = new Map([...views.keys()].map((id, index) => [id, roots[index]]));
    const lowers = chain.flatMap(({ id }) => {
      const root = rootOf.get(id);
      const own = mapped?.mapped(layout.fs(id)) ?? layout.fs(id);
      return root === undefined ? [own] : [root, own];
    });
    if (!fitsOnePage(lowers)) {
      return { refused: `a chain of ${chain.length} layers does not fit into the kernel's mount options` };
    }
    return { view: 'overlay', lowers, mapped: mapped !== undefined, mountPoints: [], mounts: [] };
  }

  /** Makes a stored layer's view before the first container asks for it; it is made then at the latest. */
  async warm(layer: NixLayer): Promise<void> {
    const { choice } = this.#deps;
    if (choice.current !== 'overlay') return;
    const views = await this.#views([layer], undefined);
    if ('refused' in views) choice.refused(views.refused);
  }

  /** The views of layers by the layers' ids. */
  async #views(
    layers: readonly NixLayer[],
    signal: AbortSignal | undefined,
  ): Promise<ReadonlyMap<number, ShownView> | Refused> {
    const { overlays } = this.#deps;
    const views = new Map<number, ShownView>();
    // The kernel takes a lower directory once (ELOOP): of layers with one closure the upmost shows it.
    const roots = new Set<string>();
    for (const layer of layers) {
      const { closure } = layer.closure;
      const shown = await this.#secured(
        layer,
        () => overlays.show(closure, () => this.#pathsOf(layer)),
        signal,
      );
      if ('refused' in shown) return shown;
      if (!roots.has(shown.root)) views.set(layer.id, shown);
      roots.add(shown.root);
    }
    return views;
  }

  async #bound(
    name: BoundViewName,
    chain: readonly SnapshotRecord[],
    layers: readonly NixLayer[],
    signal: AbortSignal | undefined,
  ): Promise<ShownChain> {
    const { layout, nix } = this.#deps;
    const view = name === 'store' ? wholeStoreView : bindsView;
    const found = await Promise.all(
      layers.map((layer) => this.#secured(layer, () => this.#entriesOf(layer), signal)),
    );
    const entries = found.flatMap((layer) => layer.entries);
    return {
      ...this.plain(chain),
      view: name,
      mountPoints: view.mountPoints(entries, await presentMountPoints(chain, layout)),
      mounts: view.mounts(entries, await nix.realStoreDir()),
    };
  }

  async #entriesOf(layer: NixLayer): Promise<{ readonly entries: readonly ClosureEntry[] } | Missing> {
    const paths = await this.#pathsOf(layer);
    if (paths === undefined) return { missing: [] };
    const { entries, missing } = await readEntries(paths, await this.#deps.nix.realStoreDir());
    return missing.length > 0 ? { missing } : { entries };
  }

  /** What `look` finds; when something is missing, after the layer was realised and rooted. */
  async #secured<T extends object>(
    layer: NixLayer,
    look: () => Promise<T | Missing>,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    const { roots, nix } = this.#deps;
    if (roots.isRooted(layer.id)) {
      const found = await look();
      if (!isMissing(found)) return found;
    }
    await roots.secureStored(layer.id, layer.closure.closure, signal);
    const found = await look();
    if (isMissing(found)) throw missingPathsError(found.missing, await nix.realStoreDir());
    return found;
  }

  /** The closure's paths; undefined when not even their list is on this host. */
  async #pathsOf({ closure: { closure } }: NixLayer): Promise<readonly StorePath[] | undefined> {
    const { nix, closures } = this.#deps;
    if (closure.kind === 'closure-info') {
      const { missing } = await readEntries([closure.path], await nix.realStoreDir());
      if (missing.length > 0) return undefined;
    }
    return closures.pathsOf(closure);
  }
}

function isMissing(found: object): found is Missing {
  return 'missing' in found;
}

function nameOf([layer]: readonly NixLayer[]): string {
  const closure = layer?.closure.closure;
  if (closure === undefined) return 'no layer';
  return closure.kind === 'closure-info' ? closure.path : `${closure.paths[0] ?? 'no path'} and others`;
}
