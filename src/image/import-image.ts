import { StatusError } from '../errors.ts';
import type { ContainerdSession } from './containerd-session.ts';
import { type Descriptor, isIndex, MEDIA, parseIndex, parseManifest } from './descriptor.ts';
import { parseImageConfig } from './image-config.ts';
import type { BlobReader } from './image-set.ts';
import type { Platform } from './platform.ts';
import { bestManifest, type PlatformManifest } from './select-manifest.ts';
import { storeContent } from './store-content.ts';
import { unpack, wire } from './unpack.ts';

export interface ImportOptions {
  readonly snapshotter: string;
  /** Of the node: which image of an index is unpacked. */
  readonly platform: Platform;
}

const MAX_DEPTH = 4;

/**
 * Brings an image into containerd: blobs, then snapshots. It has no name yet, and lives as long as the session.
 *
 * @param stored digests that are in containerd already; those of this image are added.
 * @returns the manifest that was unpacked.
 * @throws StatusError naming archive, blob or layer; Unavailable when containerd does not answer.
 */
export async function importImage(
  session: ContainerdSession,
  blobs: BlobReader,
  target: Descriptor,
  { platform, snapshotter }: ImportOptions,
  stored: Set<string> = new Set(),
): Promise<PlatformManifest> {
  await storeTree(session, blobs, target, stored, 0);
  const best = await bestManifest(blobs, target, platform);
  await unpack(session, await unpackable(blobs, best), snapshotter);
  return best;
}

/**
 * Creates a name with labels, or points it to another image; its other labels stay. containerd tells its clients of the change
 * even where there is none.
 */
export async function nameImage(
  session: ContainerdSession,
  name: string,
  target: Descriptor,
  labels: Readonly<Record<string, string>> = {},
): Promise<void> {
  const { mediaType } = target;
  const image = {
    name,
    target: wire({ ...target, annotations: undefined, mediaType: mediaType || MEDIA.ociManifest }),
    labels,
  };
  try {
    await session.images.Create({ image }, session.call);
  } catch (error) {
    if (!(error instanceof StatusError) || error.code !== 'AlreadyExists') throw error;
    const paths = ['target', ...Object.keys(labels).map((label) => `labels.${label}`)];
    await session.images.Update({ image, update_mask: { paths } }, session.call);
  }
}

/**
 * A manifest as the unpacker takes it.
 *
 * @throws StatusError InvalidArgument when config and manifest do not agree on the number of layers.
 */
export async function unpackable(
  blobs: BlobReader,
  { manifest: { config, layers } }: PlatformManifest,
): Promise<{
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly diffIds: readonly string[];
}> {
  const parsed = parseImageConfig(await blobs.read(config), `${blobs.path}: blob ${config.digest}`);
  const diffIds = parsed.rootfs.diff_ids ?? [];
  if (diffIds.length === (layers ?? []).length) return { config, layers: layers ?? [], diffIds };
  throw new StatusError(
    'InvalidArgument',
    `${blobs.path}: ${config.digest} has ${diffIds.length} diff_ids, its manifest ${(layers ?? []).length} layers`,
  );
}

/**
 * Children first, each blob with the labels that keep what it refers to.
 *
 * @param stored digests that are done: an index may name one manifest any number of times, and so may those below it.
 */
async function storeTree(
  session: ContainerdSession,
  blobs: BlobReader,
  target: Descriptor,
  stored: Set<string>,
  depth: number,
): Promise<void> {
  if (stored.has(target.digest)) return;
  if (depth > MAX_DEPTH)
    throw new StatusError('InvalidArgument', `${blobs.path}: index nested too deep at ${target.digest}`);
  const bytes = await blobs.read(target);
  const where = `${blobs.path}: blob ${target.digest}`;
  const labels: Record<string, string> = {};
  if (isIndex(target)) {
    for (const [i, child] of parseIndex(bytes, where).manifests.entries()) {
      if (!(await blobs.has(child))) continue;
      await storeTree(session, blobs, child, stored, depth + 1);
      labels[`containerd.io/gc.ref.content.m.${i}`] = child.digest;
    }
  } else {
    const { config, layers } = parseManifest(bytes, where);
    await storeContent(session, blobs, config, {});
    labels['containerd.io/gc.ref.content.config'] = config.digest;
    for (const [i, layer] of (layers ?? []).entries()) {
      await storeContent(session, blobs, layer, {});
      labels[`containerd.io/gc.ref.content.l.${i}`] = layer.digest;
    }
  }
  await storeContent(session, blobs, target, labels);
  stored.add(target.digest);
}
