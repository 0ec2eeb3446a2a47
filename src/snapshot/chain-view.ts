import type { LayerClosure } from '../closure/annotations.ts';
import type { ClosureReader } from '../closure/closure-of-layer.ts';
import type { StorePath } from '../closure/store-path.ts';
import { StatusError } from '../errors.ts';
import type { IdMapping } from '../host/mount.ts';
import type { SnapshotRecord } from '../metadata/schema.ts';
import type { NixStore } from '../nix/store.ts';
import { bindsView } from '../view/binds.ts';
import type { ViewChoice } from '../view/choice.ts';
import { missingPathsError, readEntries } from '../view/entries.ts';
import type { ClosureViews, RefusedView, ShownView } from '../view/overlay/closure-views.ts';
import type { MappedViews } from '../view/overlay/mapped-views.ts';
import type { BoundViewName, ClosureEntry, ViewName } from '../view/view.ts';
import { wholeStoreView } from '../view/whole-store.ts';
import type { LayerRoots } from './layer-roots.ts';
import { type LayerRun, type NixLayer, runsOf } from './layer-runs.ts';
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
    const runs = runsOf(chain);
    if (runs.length === 0) return this.plain(chain);
    const wanted = stored ?? choice.current;
    if (wanted !== 'overlay') return this.#bound(wanted, chain, runs, signal);
    const views = await this.#views(runs, signal);
    const shown = 'refused' in views ? views : await this.#overlaid(chain, views, request.mapping);
    if (!('refused' in shown)) return shown;
    this.#tell(shown);
    if (stored === undefined && choice.mayFallBack) return this.#bound('binds', chain, runs, signal);
    throw new StatusError(
      'FailedPrecondition',
      `the overlay view of ${nameOf(runs)} cannot be used: ${shown.refused}; set view = "binds" in the configuration ` +
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

  /** Each view lies directly above its layer's own directory; a layer that was not unpacked has nothing in its own. */
  async #overlaid(
    chain: readonly SnapshotRecord[],
    views: ReadonlyMap<number, ShownView>,
    mapping: IdMapping | undefined,
  ): Promise<ShownChain | RefusedView> {
    const { layout, mappedViews } = this.#deps;
    const mapped = mapping === undefined ? undefined : await mappedViews.show(mapping, [...views.values()]);
    const roots = mapped?.roots ?? [...views.values()].map(({ root }) => root);
    const rootOf = new Map([...views.keys()].map((id, index) => [id, roots[index]]));
    const [top] = views;
    const lowers = chain.flatMap(({ id, closure }) => {
      const cover = id === top?.[0] ? top[1].cover : undefined;
      const shown = [cover, rootOf.get(id)].filter((lower) => lower !== undefined);
      if (closure?.source === 'verified') return shown;
      return [...shown, mapped?.mapped(layout.fs(id)) ?? layout.fs(id)];
    });
    if (!fitsOnePage(lowers)) {
      const refused = `a chain of ${chain.length} layers does not fit into the kernel's mount options`;
      return { refused, onlyThis: true };
    }
    return { view: 'overlay', lowers, mapped: mapped !== undefined, mountPoints: [], mounts: [] };
  }

  /** Makes the view of stored layers before the first container asks for it; it is made then at the latest. */
  async warm(run: LayerRun, signal?: AbortSignal): Promise<void> {
    if (this.#deps.choice.current !== 'overlay') return;
    const views = await this.#views([run], signal);
    if ('refused' in views) this.#tell(views);
  }

  #tell({ refused, onlyThis = false }: RefusedView): void {
    const { choice } = this.#deps;
    if (onlyThis) choice.refusedOne(refused);
    else choice.refused(refused);
  }

  /** The views of runs by the ids of their upmost layers. */
  async #views(
    runs: readonly LayerRun[],
    signal: AbortSignal | undefined,
  ): Promise<ReadonlyMap<number, ShownView> | RefusedView> {
    const { overlays } = this.#deps;
    const views = new Map<number, ShownView>();
    // The kernel takes a lower directory once (ELOOP): of layers with one closure the upmost shows it.
    const roots = new Set<string>();
    for (const { layers, closure } of runs) {
      const shown = await this.#secured(
        layers,
        () => overlays.show(closure, () => this.#pathsOf(closure)),
        signal,
      );
      if ('refused' in shown) return shown;
      const [top] = layers;
      if (top !== undefined && !roots.has(shown.root)) views.set(top.id, shown);
      roots.add(shown.root);
    }
    return views;
  }

  async #bound(
    name: BoundViewName,
    chain: readonly SnapshotRecord[],
    runs: readonly LayerRun[],
    signal: AbortSignal | undefined,
  ): Promise<ShownChain> {
    const { layout, nix } = this.#deps;
    const view = name === 'store' ? wholeStoreView : bindsView;
    const found = await Promise.all(
      runs.map(({ layers, closure }) => this.#secured(layers, () => this.#entriesOf(closure), signal)),
    );
    const entries = found.flatMap((run) => run.entries);
    return {
      ...this.plain(chain),
      view: name,
      mountPoints: view.mountPoints(entries, await presentMountPoints(chain, layout)),
      mounts: view.mounts(entries, await nix.realStoreDir()),
    };
  }

  async #entriesOf(closure: LayerClosure): Promise<{ readonly entries: readonly ClosureEntry[] } | Missing> {
    const paths = await this.#pathsOf(closure);
    if (paths === undefined) return { missing: [] };
    const { entries, missing } = await readEntries(paths, await this.#deps.nix.realStoreDir());
    return missing.length > 0 ? { missing } : { entries };
  }

  /** What `look` finds; when something is missing, after the layers were realised and rooted. */
  async #secured<T extends object>(
    layers: readonly NixLayer[],
    look: () => Promise<T | Missing>,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    const { roots, nix } = this.#deps;
    if (layers.every(({ id }) => roots.isRooted(id))) {
      const found = await look();
      if (!isMissing(found)) return found;
    }
    await roots.secureAll(
      layers.map(({ id, closure }) => ({ id, closure: closure.closure })),
      signal,
    );
    const found = await look();
    if (isMissing(found)) throw missingPathsError(found.missing, await nix.realStoreDir());
    return found;
  }

  /** The closure's paths; undefined when not even their list is on this host. */
  async #pathsOf(closure: LayerClosure): Promise<readonly StorePath[] | undefined> {
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

function nameOf([run]: readonly LayerRun[]): string {
  const closure = run?.closure;
  if (closure === undefined) return 'no layer';
  return closure.kind === 'closure-info' ? closure.path : `${closure.paths[0] ?? 'no path'} and others`;
}
