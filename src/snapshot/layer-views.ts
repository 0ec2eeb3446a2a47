import { messageOf } from '../errors.ts';
import type { IdMapping } from '../host/mount.ts';
import type { Log } from '../log.ts';
import type { MetadataStore } from '../metadata/store.ts';
import type { ClosureViews } from '../view/overlay/closure-views.ts';
import { viewKey } from '../view/overlay/fingerprint.ts';
import type { MappedViews } from '../view/overlay/mapped-views.ts';
import type { ChainView } from './chain-view.ts';
import { idMapping } from './id-mapping.ts';
import { type LayerRun, type NixLayer, storedRuns } from './layer-runs.ts';

export interface LayerViewsDeps {
  readonly store: MetadataStore;
  readonly chainView: ChainView;
  readonly overlays: ClosureViews;
  readonly mappedViews: MappedViews;
  readonly log: Log;
}

/** The overlay views of stored layers: made before the first container asks, removed after the last layer. */
export class LayerViews {
  readonly #deps: LayerViewsDeps;

  constructor(deps: LayerViewsDeps) {
    this.#deps = deps;
  }

  /**
   * Makes a layer's view without anybody who must wait; what fails here is told to the container that needs it.
   *
   * @returns resolves when the work has ended, however it did.
   */
  warmLater(layer: NixLayer): Promise<void> {
    return this.#warm({ layers: [layer], closure: layer.closure.closure });
  }

  /**
   * Mounts again, one after the other, what a restart of the host unmounted.
   *
   * @param stopping ends it: it may have to wait for Nix.
   * @returns how many views are there again.
   */
  async restore(stopping: AbortSignal): Promise<number> {
    const { store, overlays } = this.#deps;
    let restored = 0;
    for (const run of runsIn(store)) {
      if (stopping.aborted) break;
      if (!isStored(run, store) || !overlays.isLost(run.closure)) continue;
      await this.#warm(run, stopping);
      if (!overlays.isLost(run.closure)) restored += 1;
    }
    // Of a layer that was removed meanwhile the view may have been made after the clean-up.
    if (restored > 0) await this.collect();
    return restored;
  }

  async #warm(run: LayerRun, signal?: AbortSignal): Promise<void> {
    const { chainView, log } = this.#deps;
    try {
      await chainView.warm(run, signal);
    } catch (error) {
      log.debug({ id: run.layers[0]?.id, error: messageOf(error) }, 'the view of a layer is not made yet');
    }
  }

  /**
   * Removes the views of closures that no snapshot names, and those mapped to the ids of containers that are gone. Does nothing while nobody can tell which those are.
   *
   * @returns what could not be removed, one sentence each.
   */
  async collect(): Promise<readonly string[]> {
    const { store, overlays, log } = this.#deps;
    if (store.kept().size > 0 || store.degraded().length > 0) return [];
    const problems = [...(await overlays.collect(() => viewsIn(store)))];
    problems.push(...(await this.#deps.mappedViews.collect(() => mappingsIn(store))));
    for (const problem of problems) log.error({ problem }, 'clean-up left something');
    return problems;
  }
}

function isStored({ layers: [top] }: LayerRun, store: MetadataStore): boolean {
  return store.list().some(({ id }) => id === top?.id);
}

/** The keys of the views that stored layers need. */
function viewsIn(store: MetadataStore): ReadonlySet<string> {
  return new Set(runsIn(store).map(({ closure }) => viewKey(closure)));
}

/** What containers on any of the stored layers are shown. */
function runsIn(store: MetadataStore): readonly LayerRun[] {
  return storedRuns(store.list(), (name) => store.get(name));
}

function mappingsIn(store: MetadataStore): readonly IdMapping[] {
  return store.list().flatMap(({ labels }) => idMapping(labels) ?? []);
}
