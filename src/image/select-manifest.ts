import * as v from 'valibot';
import { StatusError } from '../errors.ts';
import {
  type Descriptor,
  isIndex,
  type Manifest,
  parseIndex,
  parseJson,
  parseManifest,
} from './descriptor.ts';
import type { BlobReader, ImageSet } from './image-set.ts';
import { formatPlatform, type Platform, platform, platformFit } from './platform.ts';

/** A manifest with its platform, where descriptor or config tell it. */
export interface PlatformManifest {
  readonly descriptor: Descriptor;
  readonly manifest: Manifest;
  readonly platform: Platform | undefined;
}

const ConfigPlatformSchema = v.looseObject({
  os: v.nullish(v.string()),
  architecture: v.nullish(v.string()),
  variant: v.nullish(v.string()),
});

const MAX_DEPTH = 4;
const MAX_MANIFESTS = 1000;

/**
 * All image manifests below a target, in order. Attestations (`vnd.docker.reference.type`) and manifests the
 * archive does not hold (a single-platform save of an index) are left out.
 *
 * @throws StatusError InvalidArgument for indexes nested deeper than 4 or naming more than 1000 manifests.
 */
export async function listManifests(blobs: BlobReader, target: Descriptor): Promise<PlatformManifest[]> {
  const found: PlatformManifest[] = [];
  const seen = new Set<string>();
  await collect(blobs, target, 0, found, seen);
  return found;
}

/**
 * The manifest below a target that serves a platform best, as containerd chooses; an only one serves any.
 *
 * @throws StatusError NotFound when none serves; what {@link listManifests} raises.
 */
export async function bestManifest(
  blobs: BlobReader,
  target: Descriptor,
  wanted: Platform,
): Promise<PlatformManifest> {
  const manifests = await listManifests(blobs, target);
  const fits = manifests
    .map((manifest) => ({ manifest, fit: fitOf(manifest, wanted) }))
    .toSorted((a, b) => b.fit - a.fit);
  const [best] = fits;
  if (best !== undefined && (best.fit > 0 || manifests.length === 1)) return best.manifest;
  throw new StatusError(
    'NotFound',
    `${blobs.path}: ${target.digest} has no image for ${wanted.os}/${wanted.architecture}`,
  );
}

/**
 * The one image of a set that is to be used, with the manifest that serves `wanted` best.
 *
 * @param wanted undefined takes the only platform there is.
 * @throws StatusError InvalidArgument when the set holds several images, NotFound when no platform serves; both
 *   list what there is.
 */
export async function selectManifest(set: ImageSet, wanted: Platform | undefined): Promise<PlatformManifest> {
  const manifests = await manifestsOf(set);
  const [only] = manifests;
  if (wanted === undefined) {
    if (only !== undefined && manifests.length === 1) return only;
    throw new StatusError(
      'InvalidArgument',
      `${set.path}: holds ${available(manifests)}: choose one by --platform`,
    );
  }
  let best: { fit: number; manifest: PlatformManifest } | undefined;
  for (const manifest of manifests) {
    const fit = fitOf(manifest, wanted);
    if (fit > (best?.fit ?? 0)) best = { fit, manifest };
  }
  if (best !== undefined) return best.manifest;
  throw new StatusError(
    'NotFound',
    `${set.path}: no image for ${formatPlatform(wanted)} in it, only ${available(manifests)}: ` +
      'use another base image or set --platform',
  );
}

/**
 * The manifests of the one image of a set: at least one, several where it is for several platforms.
 *
 * @throws StatusError InvalidArgument when the set holds several images, NotFound when it has no manifest.
 */
export async function manifestsOf(set: ImageSet): Promise<readonly PlatformManifest[]> {
  const manifests: PlatformManifest[] = [];
  for (const target of targetsOf(set)) manifests.push(...(await listManifests(set, target)));
  if (manifests.length > 0) return manifests;
  throw new StatusError('NotFound', `${set.path}: its index names no image manifest it holds`);
}

/**
 * The targets to look in: the only image, or all when they are the platforms of one image (tools write such an
 * `index.json` without an index between).
 */
function targetsOf(set: ImageSet): readonly Descriptor[] {
  const names = new Set(set.images.flatMap((image) => image.names));
  const onePlatformEach = set.images.every((image) => image.target.platform);
  if (set.images.length === 1 || (onePlatformEach && names.size <= 1)) {
    return set.images.map((image) => image.target);
  }
  const found = set.images.map((image) => image.names[0] ?? image.target.digest).join(', ');
  throw new StatusError(
    'InvalidArgument',
    `${set.path}: holds ${set.images.length} images (${found}): one is needed`,
  );
}

async function collect(
  blobs: BlobReader,
  target: Descriptor,
  depth: number,
  found: PlatformManifest[],
  seen: Set<string>,
): Promise<void> {
  if (seen.has(target.digest)) return;
  seen.add(target.digest);
  if (depth > MAX_DEPTH || seen.size > MAX_MANIFESTS) {
    throw new StatusError(
      'InvalidArgument',
      `${blobs.path}: its index is nested too deep or too long at ${target.digest}`,
    );
  }
  if (target.annotations?.['vnd.docker.reference.type'] !== undefined) return;
  if (depth > 0 && !(await blobs.has(target))) return;
  const bytes = await blobs.read(target);
  const where = `${blobs.path}: blob ${target.digest}`;
  if (isIndex(target)) {
    for (const child of parseIndex(bytes, where).manifests)
      await collect(blobs, child, depth + 1, found, seen);
    return;
  }
  const manifest = parseManifest(bytes, where);
  found.push({ descriptor: target, manifest, platform: await platformOf(blobs, target, manifest) });
}

async function platformOf(
  blobs: BlobReader,
  target: Descriptor,
  manifest: Manifest,
): Promise<Platform | undefined> {
  if (target.platform)
    return platform(target.platform.os, target.platform.architecture, target.platform.variant);
  const bytes = await blobs.read(manifest.config);
  const config = parseJson(ConfigPlatformSchema, bytes, `${blobs.path}: blob ${manifest.config.digest}`);
  if (!config.os || !config.architecture) return undefined;
  return platform(config.os, config.architecture, config.variant ?? undefined);
}

function fitOf({ platform: offered }: PlatformManifest, wanted: Platform): number {
  return offered === undefined ? 1 : platformFit(wanted, offered);
}

function available(manifests: readonly PlatformManifest[]): string {
  return manifests.map((m) => (m.platform === undefined ? 'unknown' : formatPlatform(m.platform))).join(', ');
}
