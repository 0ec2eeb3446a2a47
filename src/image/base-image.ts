import { StatusError } from '../errors.ts';
import type { Descriptor } from './descriptor.ts';
import { type History, type ImageConfig, parseImageConfig } from './image-config.ts';
import type { ImageSet } from './image-set.ts';
import type { OutputLayer } from './output-image.ts';
import type { Platform } from './platform.ts';
import { selectManifest } from './select-manifest.ts';

/** What an image takes over from the one it is built on. */
export interface BaseImage {
  readonly digest: string | undefined;
  readonly platform: Platform | undefined;
  readonly config: ImageConfig;
  readonly layers: readonly OutputLayer[];
  /** One non-empty entry for each layer. */
  readonly history: readonly History[];
}

export const NO_BASE: BaseImage = {
  digest: undefined,
  platform: undefined,
  config: { rootfs: { diff_ids: [] } },
  layers: [],
  history: [],
};

/** Docker's layer types and their OCI twins: the image that is written has an OCI manifest. */
const OCI_LAYER_TYPES: ReadonlyMap<string, string> = new Map([
  ['application/vnd.docker.image.rootfs.diff.tar', 'application/vnd.oci.image.layer.v1.tar'],
  ['application/vnd.docker.image.rootfs.diff.tar.gzip', 'application/vnd.oci.image.layer.v1.tar+gzip'],
  ['application/vnd.docker.image.rootfs.diff.tar.zstd', 'application/vnd.oci.image.layer.v1.tar+zstd'],
  [
    'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
    'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip',
  ],
]);

/**
 * Picks the image for `wanted` from a set and checks that its parts fit together.
 *
 * @throws StatusError NotFound (no such platform, a blob is missing), InvalidArgument (parts disagree), DataLoss.
 */
export async function readBaseImage(set: ImageSet, wanted: Platform | undefined): Promise<BaseImage> {
  const { descriptor, manifest, platform } = await selectManifest(set, wanted);
  const where = `${set.path}: blob ${manifest.config.digest}`;
  const config = parseImageConfig(await set.read(manifest.config), where);
  const diffIds = config.rootfs.diff_ids ?? [];
  const layers = manifest.layers ?? [];
  if (layers.length !== diffIds.length) {
    throw new StatusError(
      'InvalidArgument',
      `${where}: has ${diffIds.length} diff_ids, manifest ${descriptor.digest} has ${layers.length} layers`,
    );
  }
  for (const layer of layers) {
    if (await set.has(layer)) continue;
    throw new StatusError(
      'NotFound',
      `${set.path}: layer ${layer.digest} of ${descriptor.digest} is missing from it`,
    );
  }
  return {
    digest: descriptor.digest,
    platform,
    config,
    layers: layers.map((layer, i) => ({
      descriptor: ociLayer(layer),
      diffId: diffIds[i] ?? '',
      open: () => set.open(layer),
    })),
    history: historyOf(config, layers.length),
  };
}

function ociLayer(layer: Descriptor): Descriptor {
  const { annotations, platform: _platform, mediaType, ...rest } = layer;
  return {
    ...rest,
    mediaType: OCI_LAYER_TYPES.get(mediaType) ?? mediaType,
    ...(annotations ? { annotations } : {}),
  };
}

/** Docker refuses a history that does not match the layers: missing entries are added, a wrong one is replaced. */
function historyOf(config: ImageConfig, layers: number): readonly History[] {
  const history = config.history ?? [];
  const described = history.filter((entry) => entry.empty_layer !== true).length;
  const kept = described > layers ? [] : history;
  const missing = layers - (described > layers ? 0 : described);
  return [...kept, ...Array.from({ length: missing }, () => ({ created_by: 'layer of the base image' }))];
}
