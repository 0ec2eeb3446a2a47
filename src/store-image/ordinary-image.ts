import { addAbortSignal, Readable } from 'node:stream';
import { type LayerClosure, parseLayerAnnotations } from '../closure/annotations.ts';
import { LAYERED_CLOSURE_ANNOTATION } from '../closure/layered.ts';
import type { StorePath } from '../closure/store-path.ts';
import { StatusError } from '../errors.ts';
import {
  type Descriptor,
  describe,
  describeManifest,
  encodeJson,
  isIndex,
  type Manifest,
  MEDIA,
} from '../image/descriptor.ts';
import { Verifier } from '../image/digest.ts';
import type { BlobReader } from '../image/image-set.ts';
import { contentOf, layerGroups, MAX_LAYERS } from '../image/layer-groups.ts';
import { type History, type ImageConfig, parseImageConfig } from '../image/image-config.ts';
import { listManifests, type PlatformManifest } from '../image/select-manifest.ts';
import type { NixStore } from '../nix/store.ts';
import { recoverFromTar } from './recover-layer.ts';
import type { LayerDigests } from './layer-digests.ts';
import { servedReader } from './served-reader.ts';
import type { ServedBlob, ServedImage } from './served-image.ts';
import { storeTar } from '../image/store-tar.ts';

/** Docker's names of layer types, and OCI's: an OCI manifest is made whatever there was. */
const OCI_LAYER_TYPES: Readonly<Record<string, string>> = {
  'application/vnd.docker.image.rootfs.diff.tar': MEDIA.ociLayer,
  'application/vnd.docker.image.rootfs.diff.tar.gzip': MEDIA.ociLayerGzip,
  'application/vnd.docker.image.rootfs.diff.tar.zstd': MEDIA.ociLayerZstd,
};

export interface OrdinaryImageDeps {
  readonly nix: Pick<NixStore, 'realStoreDir' | 'referenceGraph'>;
  readonly closures: { pathsOf(closure: LayerClosure): Promise<readonly StorePath[]> };
  readonly digests: Pick<LayerDigests, 'describe' | 'forget'>;
  /** Makes valid, and roots, what layers without annotations name. */
  readonly realise: (closures: readonly LayerClosure[], signal: AbortSignal) => Promise<void>;
  /** Told when the bytes of a layer are not what its descriptor says. */
  readonly onDamage: () => void;
}

/**
 * Makes, of an image whose layers name store paths, one whose layers hold them, for clients without our snapshotter. In place of each
 * Nix layer come ordinary ones ({@link layerGroups}), so many that the image has no more than {@link MAX_LAYERS}. Other layers stay, and so does the config but for diff IDs
 * and history. A path that an earlier Nix layer has is not repeated. The same image gives the same digests, on every node.
 *
 * Only descriptors are made here: bytes are read from the store when a layer is asked for, and checked then.
 *
 * @param image its closures are valid; it must live as long as the result, which does not dispose of it.
 * @returns its closures begin with those of `image`; more were found in layers without annotations.
 * @param signal nobody waits any more.
 * @throws StatusError InvalidArgument for a config that does not fit its manifest; what `digests` raises.
 */
export async function ordinaryImage(
  image: ServedImage,
  deps: OrdinaryImageDeps,
  signal: AbortSignal,
): Promise<Pick<ServedImage, 'target' | 'blobs' | 'closures'>> {
  const reader = servedReader(image);
  const blobs = new Map(image.blobs);
  const manifests: Descriptor[] = [];
  const recovered: LayerClosure[] = [];
  let hasNixLayers = false;
  for (const found of await listManifests(reader, image.target.descriptor)) {
    const config = parseImageConfig(
      await reader.read(found.manifest.config),
      `${reader.path}: config ${found.manifest.config.digest}`,
    );
    const closures =
      annotated(found.manifest) ?? (await recover(found.manifest, reader, deps, recovered, signal));
    hasNixLayers ||= closures.some((closure) => closure !== undefined);
    const made = await convert(found, config, closures, deps, signal);
    for (const blob of made.blobs) blobs.set(blob.descriptor.digest, blob);
    const platform = found.descriptor.platform;
    manifests.push(platform === undefined ? made.manifest : { ...made.manifest, platform });
  }
  if (!hasNixLayers) return image;
  const closures = [...image.closures, ...recovered];
  const [only] = manifests;
  if (only !== undefined && !isIndex(image.target.descriptor)) {
    const target = blobs.get(only.digest);
    if (target !== undefined) return { target, blobs, closures };
  }
  const bytes = encodeJson({ schemaVersion: 2, mediaType: MEDIA.ociIndex, manifests });
  const target = inMemory(describe(MEDIA.ociIndex, bytes), bytes);
  blobs.set(target.descriptor.digest, target);
  return { target, blobs, closures };
}

/** What each layer names; undefined when none of them names anything. */
function annotated({ layers }: Manifest): Closures | undefined {
  const closures = (layers ?? []).map(({ annotations }) =>
    parseLayerAnnotations(new Map(Object.entries(annotations ?? {}))),
  );
  return closures.some((closure) => closure !== undefined) ? closures : undefined;
}

/** What each layer names by what is in it, realised. */
async function recover(
  { layers }: Manifest,
  reader: BlobReader,
  { realise }: OrdinaryImageDeps,
  recovered: LayerClosure[],
  signal: AbortSignal,
): Promise<Closures> {
  const closures: (LayerClosure | undefined)[] = [];
  for (const layer of layers ?? []) {
    const isOrdinary = layer.annotations?.[LAYERED_CLOSURE_ANNOTATION] !== undefined;
    const closure =
      !isOrdinary && (await reader.has(layer))
        ? await recoverFromTar(addAbortSignal(signal, await reader.open(layer)))
        : undefined;
    closures.push(closure);
    if (closure === undefined) continue;
    await realise([closure], signal);
    recovered.push(closure);
  }
  return closures;
}

/** What each layer of a manifest names. */
type Closures = readonly (LayerClosure | undefined)[];

interface OrdinaryLayer {
  readonly descriptor: Descriptor;
  readonly diffId: string;
  /** Of a layer that is made here. */
  readonly paths?: readonly StorePath[];
}

async function convert(
  { descriptor, manifest }: PlatformManifest,
  config: ImageConfig,
  closures: Closures,
  deps: OrdinaryImageDeps,
  signal: AbortSignal,
): Promise<{ readonly manifest: Descriptor; readonly blobs: readonly ServedBlob[] }> {
  const layers = manifest.layers ?? [];
  const diffIds = config.rootfs.diff_ids ?? [];
  if (layers.length !== diffIds.length) {
    throw new StatusError(
      'InvalidArgument',
      `manifest ${descriptor.digest} has ${layers.length} layers, its config ${diffIds.length} diff IDs`,
    );
  }
  const parts: OrdinaryLayer[][] = [];
  let nixLayers = closures.filter((closure) => closure !== undefined).length;
  let room = MAX_LAYERS - (layers.length - nixLayers);
  const shown = new Set<StorePath>();
  for (const [at, layer] of layers.entries()) {
    const closure = closures[at];
    if (closure === undefined) {
      const mediaType = OCI_LAYER_TYPES[layer.mediaType] ?? layer.mediaType;
      parts.push([{ descriptor: { ...layer, mediaType }, diffId: diffIds[at] ?? '' }]);
      continue;
    }
    const paths = (await deps.closures.pathsOf(closure)).filter((path) => !shown.has(path));
    for (const path of paths) shown.add(path);
    const most = Math.max(1, Math.floor(room / nixLayers));
    const groups = await layerGroups(await deps.nix.referenceGraph(paths), most);
    room -= groups.length;
    nixLayers -= 1;
    parts.push(
      await Promise.all(
        groups.map(async (group) => {
          const made = await deps.digests.describe(group, signal);
          return { descriptor: made, diffId: made.digest, paths: group };
        }),
      ),
    );
  }
  const all = parts.flat();
  const configBytes = encodeJson({
    ...config,
    rootfs: { ...config.rootfs, diff_ids: all.map(({ diffId }) => diffId) },
    ...(config.history ? { history: historyOf(config.history, parts) } : {}),
  });
  const newConfig = describe(MEDIA.ociConfig, configBytes);
  const made = describeManifest(
    newConfig,
    all.map((layer) => layer.descriptor),
    manifest.annotations ?? undefined,
  );
  return {
    manifest: made.descriptor,
    blobs: [
      inMemory(made.descriptor, made.bytes),
      inMemory(newConfig, configBytes),
      ...all.flatMap((layer) =>
        layer.paths === undefined ? [] : [layerBlob(layer.descriptor, layer.paths, deps)],
      ),
    ],
  };
}

/** An entry for each layer: a Nix layer's own is repeated for those that stand for it, with what is in each. */
function historyOf(history: readonly History[], parts: readonly (readonly OrdinaryLayer[])[]): History[] {
  let at = 0;
  return history.flatMap((entry) => {
    if (entry.empty_layer === true) return [entry];
    const layers = parts[at++] ?? [{ paths: undefined }];
    return layers.map(({ paths }) => (paths === undefined ? entry : { ...entry, comment: contentOf(paths) }));
  });
}

function layerBlob(
  descriptor: Descriptor,
  paths: readonly StorePath[],
  { nix, digests, onDamage }: OrdinaryImageDeps,
): ServedBlob {
  const open = async (): Promise<Readable> => {
    const source = Readable.from(storeTar(paths, await nix.realStoreDir()), { objectMode: false });
    const verifier = new Verifier(descriptor, `the layer of ${contentOf(paths)}`);
    const damaged = (error: Error): void => {
      if (!(error instanceof StatusError) || error.code !== 'DataLoss') return;
      // A path that cannot even be looked at is not remembered.
      void digests.forget(paths).then(onDamage, onDamage);
    };
    source.once('error', (error) => verifier.destroy(error));
    verifier.once('error', damaged).once('close', () => source.destroy());
    return source.pipe(verifier);
  };
  return { descriptor, open };
}

function inMemory(descriptor: Descriptor, bytes: Buffer): ServedBlob {
  return { descriptor, open: async () => Readable.from([bytes]) };
}
