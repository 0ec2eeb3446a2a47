import type { LayerClosure } from '../closure/annotations.ts';
import type { StorePath } from '../closure/store-path.ts';
import type { SnapshotRecord, StoredClosure } from '../metadata/schema.ts';

/** A stored layer that has a closure. */
export interface NixLayer {
  readonly id: number;
  readonly closure: StoredClosure;
}

/** Layers, the upmost first, that one view shows: a Nix layer, or neighbours that hold store paths and are not unpacked. */
export interface LayerRun {
  readonly layers: readonly NixLayer[];
  /** All that the view shows. */
  readonly closure: LayerClosure;
}

/** By the upmost layer's closure: a stored layer's parents never change. */
const runs = new WeakMap<StoredClosure, LayerRun>();

/**
 * The runs of a chain.
 *
 * @param chain the immediate parent first.
 */
export function runsOf(chain: readonly SnapshotRecord[]): readonly LayerRun[] {
  const found: LayerRun[] = [];
  for (let at = 0; at < chain.length; ) {
    const run = runAt(chain[at], () => chain.slice(at));
    if (run !== undefined) found.push(run);
    at += run?.layers.length ?? 1;
  }
  return found;
}

/**
 * What containers on stored layers are shown: all runs that may have a view. A layer inside a run, with nothing but layers of the
 * run on it, is the upmost of another run only if somebody asked for that; otherwise a run of n layers would be n runs.
 *
 * @param records all snapshots.
 * @param stored finds one by name.
 */
export function storedRuns(
  records: readonly SnapshotRecord[],
  stored: (name: string) => SnapshotRecord | undefined,
): readonly LayerRun[] {
  const covered = new Set<string>();
  const shown = new Set<string>();
  for (const { parent, closure } of records) (closure?.source === 'verified' ? covered : shown).add(parent);
  const found: LayerRun[] = [];
  for (const layer of records) {
    const { key, closure } = layer;
    const isInside = closure?.source === 'verified' && covered.has(key) && !shown.has(key);
    if (isInside && !runs.has(closure)) continue;
    const run = runAt(layer, function* () {
      for (let at: SnapshotRecord | undefined = layer; at !== undefined; at = stored(at.parent)) yield at;
    });
    if (run !== undefined) found.push(run);
  }
  return found;
}

/** The verified layers that a chain begins with, one upon the other, and what each holds. */
export function* verifiedLayers(
  chain: Iterable<SnapshotRecord>,
): Generator<{ readonly layer: NixLayer; readonly paths: readonly StorePath[] }, void> {
  for (const { id, closure } of chain) {
    if (closure?.source !== 'verified' || closure.closure.kind !== 'paths') return;
    yield { layer: { id, closure }, paths: closure.closure.paths };
  }
}

function runAt(
  layer: SnapshotRecord | undefined,
  chain: () => Iterable<SnapshotRecord>,
): LayerRun | undefined {
  if (layer?.closure === undefined) return undefined;
  const known = runs.get(layer.closure);
  if (known !== undefined) return known;
  const { id, closure } = layer;
  const run =
    closure.source === 'verified'
      ? verifiedRun(chain())
      : { layers: [{ id, closure }], closure: closure.closure };
  runs.set(closure, run);
  return run;
}

function verifiedRun(chain: Iterable<SnapshotRecord>): LayerRun {
  const layers: NixLayer[] = [];
  const shown = new Set<StorePath>();
  for (const { layer, paths } of verifiedLayers(chain)) {
    layers.push(layer);
    for (const path of paths) shown.add(path);
  }
  return { layers, closure: { kind: 'paths', paths: [...shown].toSorted() } };
}
