import * as v from 'valibot';
import { type LayerClosure, parseLayerAnnotations } from '../closure/annotations.ts';
import { parseLayeredAnnotations } from '../closure/layered.ts';
import { StatusError } from '../errors.ts';
import { type Manifest, parseIndex, parseJson, parseManifest } from '../image/descriptor.ts';
import { type Platform, platform, platformFit } from '../image/platform.ts';

/** A manifest or index by tag or digest. */
export type ReadManifest = (reference: string) => Promise<Buffer>;

const MAX_DEPTH = 4;

/** What the layers of an image name. */
export interface NamedClosures {
  /** By Nix layers, which are nothing without it. */
  readonly needed: readonly LayerClosure[];
  /** By layers that hold the paths too: what cannot be had is downloaded. */
  readonly held: readonly LayerClosure[];
}

/**
 * What the layers of an image name, read from its manifest alone.
 *
 * @param reference tag or digest.
 * @param wanted which image of an index.
 * @throws StatusError what the registry or a damaged manifest gives rise to; InvalidArgument for a layer that names no store path.
 */
export async function registryClosures(
  read: ReadManifest,
  reference: string,
  wanted: Platform,
): Promise<NamedClosures> {
  const { layers } = await manifestFor(read, reference, wanted, 0);
  const labels = (layers ?? []).map(({ annotations }) => new Map(Object.entries(annotations ?? {})));
  const held = labels.flatMap((each) => parseLayeredAnnotations(each)?.closureInfo ?? []);
  return {
    needed: labels.map(parseLayerAnnotations).filter((closure) => closure !== undefined),
    held: [...new Set(held)].map((path) => ({ kind: 'closure-info', path })),
  };
}

async function manifestFor(
  read: ReadManifest,
  reference: string,
  wanted: Platform,
  depth: number,
): Promise<Manifest> {
  const bytes = await read(reference);
  const where = `manifest ${reference}`;
  if (!isIndex(bytes, where)) return parseManifest(bytes, where);
  const [best] = parseIndex(bytes, where)
    .manifests.map((child) => ({ child, fit: child.platform ? fitOf(child.platform, wanted) : 0 }))
    .filter(({ fit }) => fit > 0)
    .toSorted((a, b) => b.fit - a.fit);
  if (best === undefined || depth === MAX_DEPTH)
    throw new StatusError('NotFound', `${where}: names no image for ${wanted.os}/${wanted.architecture}`);
  return await manifestFor(read, best.child.digest, wanted, depth + 1);
}

/** By what is in it: an OCI index need not say what it is. */
function isIndex(bytes: Buffer, where: string): boolean {
  return (
    parseJson(v.looseObject({ manifests: v.optional(v.unknown()) }), bytes, where).manifests !== undefined
  );
}

function fitOf(
  offered: { readonly os: string; readonly architecture: string; readonly variant?: string | undefined },
  wanted: Platform,
): number {
  return platformFit(wanted, platform(offered.os, offered.architecture, offered.variant));
}
