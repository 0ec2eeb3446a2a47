import { StatusError } from '../errors.ts';
import { parseStorePath, type StorePath } from './store-path.ts';

/** Names the store path of a `closureInfo` output, whose `store-paths` file lists the closure. */
export const CLOSURE_ANNOTATION = 'containerd.io/snapshot/nix-closure';
/** Legacy format: `"true"` on a layer whose store paths are annotations of their own. */
export const LEGACY_LAYER_ANNOTATION = 'containerd.io/snapshot/nix-layer';
/** Legacy format: this prefix and a number, one store path each. */
export const LEGACY_PATH_PREFIX = 'containerd.io/snapshot/nix-store-path.';
/** Digest of the layer's own blob: lets the snapshotter ask whether the blob is at hand. */
export const LAYER_DIGEST_ANNOTATION = 'containerd.io/snapshot/nix-layer-digest';

/** A layer may name this many store paths by labels of their own; the largest system closures have about 10,000. */
const MAX_LEGACY_PATHS = 50_000;

/**
 * What a layer names: the `closureInfo` output, or the closure's store paths themselves
 * (sorted, each once).
 */
export type LayerClosure =
  | { readonly kind: 'closure-info'; readonly path: StorePath }
  | { readonly kind: 'paths'; readonly paths: readonly StorePath[] };

/** The paths that a layer names by themselves: what has to be valid for all of its closure to be. */
export function namedPaths(closure: LayerClosure): readonly StorePath[] {
  return closure.kind === 'closure-info' ? [closure.path] : closure.paths;
}

/**
 * Reads the annotations of a layer (the labels of a snapshot) in either format.
 *
 * @returns undefined for an ordinary layer.
 * @throws StatusError InvalidArgument naming the label whose value is not a store path, or for too many labels.
 */
export function parseLayerAnnotations(labels: ReadonlyMap<string, string>): LayerClosure | undefined {
  const closure = labels.get(CLOSURE_ANNOTATION);
  if (closure !== undefined) return { kind: 'closure-info', path: checked(CLOSURE_ANNOTATION, closure) };
  if (labels.get(LEGACY_LAYER_ANNOTATION) !== 'true') return undefined;
  const paths = new Set<StorePath>();
  for (const [label, value] of labels) {
    if (label.startsWith(LEGACY_PATH_PREFIX)) paths.add(checked(label, value));
  }
  if (paths.size > MAX_LEGACY_PATHS) {
    throw new StatusError(
      'InvalidArgument',
      `labels ${LEGACY_PATH_PREFIX}*: ${paths.size} store paths, at most ${MAX_LEGACY_PATHS} can be named so; ` +
        `name a closureInfo output by ${CLOSURE_ANNOTATION} instead: invalid argument`,
    );
  }
  return { kind: 'paths', paths: [...paths].toSorted() };
}

function checked(label: string, value: string): StorePath {
  const path = parseStorePath(value);
  if (path !== undefined) return path;
  throw new StatusError(
    'InvalidArgument',
    `label ${label}: ${JSON.stringify(value.slice(0, 300))} is not a store path ` +
      '(/nix/store/<32 base-32 characters>-<name>, nothing after it): invalid argument',
  );
}
