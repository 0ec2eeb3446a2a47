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
 * The run that a stored layer is the upmost of, whatever lies on it.
 *
 * @param stored finds a layer's parent.
 * @returns undefined for an ordinary layer.
 */
export function runOf(
  layer: SnapshotRecord,
  stored: (name: string) => SnapshotRecord | undefined,
): LayerRun | undefined {
  return runAt(layer, function* () {
    for (let at: SnapshotRecord | undefined = layer; at !== undefined; at = stored(at.parent)) yield at;
  });
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
  const paths = new Set<StorePath>();
  for (const { id, closure } of chain) {
    if (closure?.source !== 'verified' || closure.closure.kind !== 'paths') break;
    layers.push({ id, closure });
    for (const path of closure.closure.paths) paths.add(path);
  }
  return { layers, closure: { kind: 'paths', paths: [...paths].toSorted() } };
}
