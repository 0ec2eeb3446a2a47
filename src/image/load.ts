import { StatusError } from '../errors.ts';
import { type ContainerdSession, openSession, type SessionOptions } from './containerd-session.ts';
import { type Descriptor, isIndex, MEDIA, parseIndex, parseManifest } from './descriptor.ts';
import { parseImageConfig } from './image-config.ts';
import { imageName } from './image-name.ts';
import type { ImageSet, NamedImage } from './image-set.ts';
import { openImages } from './open-images.ts';
import { type Platform, platformFit } from './platform.ts';
import { listManifests } from './select-manifest.ts';
import { storeContent } from './store-content.ts';
import { unpack, wire } from './unpack.ts';
import { UsageError } from './usage-error.ts';

export interface LoadOptions extends SessionOptions {
  /** Archive or layout. */
  readonly path: string;
  readonly snapshotter: string;
  /** Of the node: which image of an index is unpacked. */
  readonly platform: Platform;
  /** Name to give instead of those in the archive, which then must hold one image. */
  readonly ref?: string;
}

export interface LoadedImage {
  readonly name: string;
  /** Of the manifest or index that the name points to. */
  readonly digest: string;
}

const MAX_DEPTH = 4;

/**
 * Brings all images of an archive or layout into containerd: blobs, then snapshots, then the names. A name is replaced
 * in one step, after its image is complete; on failure no name is changed, and containerd collects the rest.
 *
 * @throws StatusError naming the archive, blob, layer or name; Unavailable when containerd does not answer.
 */
export async function loadImages(options: LoadOptions): Promise<readonly LoadedImage[]> {
  await using set = await openImages(options.path);
  const named = set.images.map((image) => ({ image, names: namesOf(set, image, options.ref) }));
  await using session = await openSession(options);
  const loaded: LoadedImage[] = [];
  const stored = new Set<string>();
  for (const { image } of named) {
    await storeTree(session, set, image.target, stored, 0);
    await unpackFor(session, set, image.target, options);
  }
  for (const { image, names } of named) {
    for (const name of names) {
      await setImage(session, name, image.target);
      loaded.push({ name, digest: image.target.digest });
    }
  }
  return loaded;
}

function namesOf(set: ImageSet, image: NamedImage, ref: string | undefined): readonly string[] {
  if (ref !== undefined) {
    if (set.images.length === 1) return [imageName(ref, set.path)];
    throw new UsageError(`${set.path}: holds ${set.images.length} images, --ref can name only one`);
  }
  if (image.names.length > 0) return image.names;
  throw new UsageError(`${set.path}: image ${image.target.digest} has no name: give one by --ref`);
}

/**
 * Children first, each blob with the labels that keep what it refers to.
 *
 * @param stored digests that are done: an index may name one manifest any number of times, and so may those below it.
 */
async function storeTree(
  session: ContainerdSession,
  set: ImageSet,
  target: Descriptor,
  stored: Set<string>,
  depth: number,
): Promise<void> {
  if (stored.has(target.digest)) return;
  if (depth > MAX_DEPTH)
    throw new StatusError('InvalidArgument', `${set.path}: index nested too deep at ${target.digest}`);
  const bytes = await set.read(target);
  const where = `${set.path}: blob ${target.digest}`;
  const labels: Record<string, string> = {};
  if (isIndex(target)) {
    for (const [i, child] of parseIndex(bytes, where).manifests.entries()) {
      if (!(await set.has(child))) continue;
      await storeTree(session, set, child, stored, depth + 1);
      labels[`containerd.io/gc.ref.content.m.${i}`] = child.digest;
    }
  } else {
    const { config, layers } = parseManifest(bytes, where);
    await storeContent(session, set, config, {});
    labels['containerd.io/gc.ref.content.config'] = config.digest;
    for (const [i, layer] of (layers ?? []).entries()) {
      await storeContent(session, set, layer, {});
      labels[`containerd.io/gc.ref.content.l.${i}`] = layer.digest;
    }
  }
  await storeContent(session, set, target, labels);
  stored.add(target.digest);
}

async function unpackFor(
  session: ContainerdSession,
  set: ImageSet,
  target: Descriptor,
  { platform, snapshotter }: LoadOptions,
): Promise<void> {
  const manifests = await listManifests(set, target);
  const fits = manifests
    .map((manifest) => ({
      ...manifest,
      fit: manifest.platform === undefined ? 1 : platformFit(platform, manifest.platform),
    }))
    .toSorted((a, b) => b.fit - a.fit);
  const [best] = fits;
  if (best === undefined || (best.fit === 0 && manifests.length > 1)) {
    throw new StatusError(
      'NotFound',
      `${set.path}: ${target.digest} has no image for ${platform.os}/${platform.architecture}`,
    );
  }
  const { config, layers } = best.manifest;
  const parsed = parseImageConfig(await set.read(config), `${set.path}: blob ${config.digest}`);
  const diffIds = parsed.rootfs.diff_ids ?? [];
  if (diffIds.length !== (layers ?? []).length) {
    throw new StatusError(
      'InvalidArgument',
      `${set.path}: ${config.digest} has ${diffIds.length} diff_ids, its manifest ${(layers ?? []).length} layers`,
    );
  }
  await unpack(session, { config, layers: layers ?? [], diffIds }, snapshotter);
}

/** Creates a name, or points it to another image; its labels stay. */
async function setImage(session: ContainerdSession, name: string, target: Descriptor): Promise<void> {
  const { mediaType } = target;
  const image = {
    name,
    target: wire({ ...target, annotations: undefined, mediaType: mediaType || MEDIA.ociManifest }),
  };
  try {
    await session.images.Create({ image }, session.call);
  } catch (error) {
    if (!(error instanceof StatusError) || error.code !== 'AlreadyExists') throw error;
    await session.images.Update({ image, update_mask: { paths: ['target'] } }, session.call);
  }
}
