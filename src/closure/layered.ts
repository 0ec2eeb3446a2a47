import { StatusError } from '../errors.ts';
import { parseStorePath, type StorePath } from './store-path.ts';

/**
 * Names, on an ordinary layer that holds store paths, the `closureInfo` output that lists them. It is not the annotation of a Nix
 * layer, because a client that knows only that one would show the closure on top of what it unpacks.
 */
export const LAYERED_CLOSURE_ANNOTATION = 'containerd.io/snapshot/nix-layered-closure';
/** Which of the listed paths the layer holds: places in the sorted list, counted from 0, such as `0-11,13`. */
export const LAYERED_PATHS_ANNOTATION = 'containerd.io/snapshot/nix-layered-paths';

/** A range of places in a list, both ends included. */
type Range = readonly [first: number, last: number];

/** What an ordinary layer says that it holds. Nothing but the bytes themselves proves it. */
export interface LayeredPart {
  readonly closureInfo: StorePath;
  readonly ranges: readonly Range[];
}

/** Longest annotation that is read; that of one layer of a hundred is a fourth of it. */
const MAX_LENGTH = 4096;
const RANGE = /^(0|[1-9]\d{0,6})(?:-([1-9]\d{0,6}))?$/;

/**
 * The annotations of a layer that holds `paths`.
 *
 * @param list what `closureInfo` lists, sorted, each once; all of `paths` are in it.
 */
export function layeredAnnotations(
  closureInfo: StorePath,
  list: readonly StorePath[],
  paths: ReadonlySet<StorePath>,
): Readonly<Record<string, string>> {
  const ranges: [number, number][] = [];
  for (const [at, path] of list.entries()) {
    if (!paths.has(path)) continue;
    const open = ranges.at(-1);
    if (open !== undefined && open[1] === at - 1) open[1] = at;
    else ranges.push([at, at]);
  }
  const text = ranges.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`)).join(',');
  return { [LAYERED_CLOSURE_ANNOTATION]: closureInfo, [LAYERED_PATHS_ANNOTATION]: text };
}

/**
 * Reads what a layer's annotations (the labels of a snapshot) say that it holds.
 *
 * @returns undefined for any other layer.
 * @throws StatusError InvalidArgument naming the label that is wrong.
 */
export function parseLayeredAnnotations(labels: ReadonlyMap<string, string>): LayeredPart | undefined {
  const text = labels.get(LAYERED_CLOSURE_ANNOTATION);
  if (text === undefined) return undefined;
  const closureInfo = parseStorePath(text);
  if (closureInfo === undefined) throw wrong(LAYERED_CLOSURE_ANNOTATION, text, 'is not a store path');
  const places = labels.get(LAYERED_PATHS_ANNOTATION) ?? '';
  const ranges = rangesOf(places);
  if (ranges === undefined)
    throw wrong(LAYERED_PATHS_ANNOTATION, places, 'is not a list of places such as 0-11,13');
  return { closureInfo, ranges };
}

/**
 * The paths that a layer says it holds.
 *
 * @param list what its `closureInfo` lists, sorted, each once.
 * @throws StatusError InvalidArgument for a place beyond the list.
 */
export function pathsOfPart(list: readonly StorePath[], { ranges }: LayeredPart): readonly StorePath[] {
  const last = ranges.at(-1)?.[1] ?? 0;
  if (last >= list.length)
    throw wrong(LAYERED_PATHS_ANNOTATION, String(last), `is beyond the list of ${list.length} paths`);
  return ranges.flatMap(([from, to]) => list.slice(from, to + 1));
}

/** Ascending ranges that do not touch each other's places; undefined for anything else. */
function rangesOf(text: string): readonly Range[] | undefined {
  if (text.length > MAX_LENGTH) return undefined;
  const ranges: Range[] = [];
  let next = 0;
  for (const part of text.split(',')) {
    const match = RANGE.exec(part);
    if (match === null) return undefined;
    const first = Number(match[1]);
    const last = Number(match[2] ?? match[1]);
    if (first < next || last < first) return undefined;
    ranges.push([first, last]);
    next = last + 1;
  }
  return ranges;
}

function wrong(label: string, value: string, what: string): StatusError {
  return new StatusError(
    'InvalidArgument',
    `label ${label}: ${JSON.stringify(value.slice(0, 300))} ${what}: invalid argument`,
  );
}
