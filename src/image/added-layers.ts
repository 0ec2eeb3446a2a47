import { createReadStream } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { addAbortSignal, Readable } from 'node:stream';
import pLimit from 'p-limit';
import type { LayerClosure } from '../closure/annotations.ts';
import { layeredAnnotations } from '../closure/layered.ts';
import { layerTar } from '../closure/layer-tar.ts';
import type { LayerEntry } from '../closure/nix-layer.ts';
import type { StorePath } from '../closure/store-path.ts';
import { errnoOf, messageOf, StatusError } from '../errors.ts';
import type { ReferenceGraph } from '../nix/store.ts';
import { type AddedLayer, nixLayer, rootLayer } from './assemble.ts';
import type { Compression } from './compression.ts';
import { writeLayer } from './layer-blob.ts';
import { contentOf, layerGroups, MAX_LAYERS } from './layer-groups.ts';
import type { OutputLayer } from './output-image.ts';
import type { RootEntry } from './root-links.ts';
import { rootTar } from './root-tar.ts';
import type { StoreFiles } from './store-files.ts';
import { storeTar } from './store-tar.ts';

/** What goes on top of a base image. */
export interface AddedContents {
  readonly closure: LayerClosure;
  /** All of the closure, sorted. */
  readonly paths: readonly StorePath[];
  /** Empty mount points of the paths. */
  readonly mountPoints: readonly LayerEntry[];
  /** What each path refers to, for an image whose layers are to hold the paths. */
  readonly references?: ReferenceGraph;
  readonly root: readonly RootEntry[];
  /** A tar that becomes a layer. */
  readonly fakeRoot?: string;
}

export interface AddedLayersOptions {
  readonly compression: Compression;
  /** Where the layers are written. */
  readonly directory: string;
  /** How many layers the base image has. */
  readonly below: number;
}

/**
 * Writes the layers that go on top of a base image: the store paths (one layer that names them, or ordinary ones that hold them),
 * what is shown at the root, the fake root.
 *
 * @throws StatusError ResourceExhausted when the directory is full; DataLoss for a store path that cannot be read.
 */
export async function addedLayers(
  contents: AddedContents,
  options: AddedLayersOptions,
  store: StoreFiles,
): Promise<readonly AddedLayer[]> {
  const { closure, mountPoints, references, root, fakeRoot } = contents;
  const write = (tar: Readable, name: string) => written(tar, name, options);
  const upper: AddedLayer[] = [];
  const isOwned = root.some(({ ownership }) => ownership !== undefined);
  const rootBytes = () => (isOwned ? rootTar(root, store) : layerTar(root));
  if (root.length > 0) upper.push(rootLayer(await write(rootBytes(), 'root')));
  if (fakeRoot !== undefined)
    upper.push({ layer: await write(createReadStream(fakeRoot), 'fake-root'), comment: 'fake root' });
  if (references === undefined) {
    return [nixLayer(await write(layerTar(mountPoints), 'nix-layer'), closure), ...upper];
  }
  const groups = await layerGroups(references, Math.max(1, MAX_LAYERS - options.below - upper.length));
  const held = await allOrNone(groups, async (paths, at, signal) => {
    const tar = Readable.from(storeTar(paths, store.realStoreDir), { objectMode: false });
    const layer = await write(addAbortSignal(signal, tar), `store-paths-${at}`);
    return { layer: layered(layer, contents, new Set(paths)), comment: contentOf(paths) };
  });
  return [...held, ...upper];
}

/** Does the work for each item, as many at a time as there are processors; after a failure nothing goes on. */
async function allOrNone<T, R>(
  items: readonly T[],
  work: (item: T, at: number, signal: AbortSignal) => Promise<R>,
): Promise<readonly R[]> {
  const stop = new AbortController();
  const { signal } = stop;
  const limit = pLimit(availableParallelism());
  const all = items.map((item, at) =>
    limit(async () => {
      signal.throwIfAborted();
      return await work(item, at, signal);
    }),
  );
  try {
    return await Promise.all(all);
  } catch (error) {
    stop.abort();
    await Promise.allSettled(all);
    throw error;
  }
}

/** A layer that holds store paths, with what containerd hands to the snapshotter as labels. */
function layered(
  layer: OutputLayer,
  { closure, paths }: AddedContents,
  held: ReadonlySet<StorePath>,
): OutputLayer {
  if (closure.kind === 'paths') return layer;
  const annotations = layeredAnnotations(closure.path, paths, held);
  return { ...layer, descriptor: { ...layer.descriptor, annotations } };
}

async function written(
  tar: Readable,
  name: string,
  { compression, directory }: AddedLayersOptions,
): Promise<OutputLayer> {
  try {
    const { file, ...blob } = await writeLayer(tar, compression, join(directory, name));
    return { ...blob, open: async () => createReadStream(file) };
  } catch (cause) {
    if (cause instanceof StatusError) throw cause;
    throw new StatusError(
      errnoOf(cause) === 'ENOSPC' ? 'ResourceExhausted' : 'Internal',
      `layers cannot be written to ${directory}: ${messageOf(cause)}; TMPDIR names another place`,
      { cause },
    );
  }
}
