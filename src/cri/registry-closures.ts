import { type LayerClosure, parseLayerAnnotations } from '../closure/annotations.ts';
import { StatusError } from '../errors.ts';
import { isIndex, type Manifest, parseIndex, parseManifest } from '../image/descriptor.ts';
import { type Platform, platform, platformFit } from '../image/platform.ts';
import type { Registry } from '../image/registry.ts';

const MAX_DEPTH = 4;

/**
 * What the Nix layers of an image name, read from its manifest alone.
 *
 * @param reference tag or digest.
 * @param wanted which image of an index.
 * @throws StatusError what the registry or a damaged manifest gives rise to; InvalidArgument for a layer that names no store path.
 */
export async function registryClosures(
  registry: Pick<Registry, 'manifest'>,
  reference: string,
  wanted: Platform,
): Promise<readonly LayerClosure[]> {
  const { layers } = await manifestFor(registry, reference, wanted, 0);
  return (layers ?? [])
    .map(({ annotations }) => parseLayerAnnotations(new Map(Object.entries(annotations ?? {}))))
    .filter((closure) => closure !== undefined);
}

async function manifestFor(
  registry: Pick<Registry, 'manifest'>,
  reference: string,
  wanted: Platform,
  depth: number,
): Promise<Manifest> {
  // Whoever pulls after us tries again, and knows more ways to the registry.
  const { mediaType, bytes } = await registry.manifest(reference, { tries: 1 });
  const where = `manifest ${reference}`;
  if (!isIndex({ mediaType })) return parseManifest(bytes, where);
  const [best] = parseIndex(bytes, where)
    .manifests.map((child) => ({ child, fit: child.platform ? fitOf(child.platform, wanted) : 0 }))
    .filter(({ fit }) => fit > 0)
    .toSorted((a, b) => b.fit - a.fit);
  if (best === undefined || depth === MAX_DEPTH)
    throw new StatusError('NotFound', `${where}: names no image for ${wanted.os}/${wanted.architecture}`);
  return await manifestFor(registry, best.child.digest, wanted, depth + 1);
}

function fitOf(
  offered: { readonly os: string; readonly architecture: string; readonly variant?: string | undefined },
  wanted: Platform,
): number {
  return platformFit(wanted, platform(offered.os, offered.architecture, offered.variant));
}
