import pLimit from 'p-limit';
import { StatusError } from '../errors.ts';
import { type Descriptor, isIndex, MEDIA, parseIndex, parseManifest } from './descriptor.ts';
import type { Credentials } from './docker-config.ts';
import type { ImageSet } from './image-set.ts';
import { openImages } from './open-images.ts';
import { formatReference, parseReference } from './reference.ts';
import { Registry } from './registry.ts';
import { RegistryTransport } from './registry-transport.ts';
import { UsageError } from './usage-error.ts';

export interface PushOptions {
  /** Archive or layout with one image. */
  readonly path: string;
  /** Where to; undefined takes the name in the archive. */
  readonly ref?: string;
  readonly plainHttp?: boolean;
  readonly signal?: AbortSignal;
}

export interface PushResult {
  readonly ref: string;
  readonly digest: string;
  /** Blobs sent, and blobs the registry had. */
  readonly sent: number;
  readonly present: number;
}

const MAX_DEPTH = 4;
const PARALLEL = 3;

/**
 * Pushes the image of an archive or layout to a registry: blobs, then manifests from the inside out, the tag last.
 *
 * @throws StatusError naming registry, repository, status and the registry's words; UsageError without a name.
 */
export async function pushImage(
  options: PushOptions,
  deps: { readonly credentials: (registry: string) => Promise<Credentials | undefined> },
): Promise<PushResult> {
  await using set = await openImages(options.path);
  const target = targetOf(set);
  const ref = options.ref ?? set.images[0]?.names[0];
  if (ref === undefined)
    throw new UsageError(`${set.path}: the image has no name: say where to push it by --ref`);
  const reference = parseReference(ref);
  if (reference.digest !== undefined && reference.digest !== target.digest)
    throw new UsageError(`${set.path}: the image is ${target.digest}, it cannot be pushed as ${ref}`);
  const { signal, plainHttp } = options;
  const transport = new RegistryTransport(
    {
      reference,
      actions: 'pull,push',
      ...(plainHttp === undefined ? {} : { plainHttp }),
      ...(signal === undefined ? {} : { signal }),
    },
    { credentials: () => deps.credentials(reference.registry) },
  );
  const registry = new Registry({ transport });
  const counts = await pushTree(
    set,
    registry,
    { target, name: reference.tag ?? target.digest },
    new Set(),
    0,
  );
  return { ref: formatReference(reference), digest: target.digest, ...counts };
}

/**
 * @param name tag or digest to put the manifest under.
 * @param pushed digests that are done: an index may name one manifest any number of times, and so may those below it.
 */
async function pushTree(
  set: ImageSet,
  registry: Registry,
  { target, name }: { readonly target: Descriptor; readonly name: string },
  pushed: Set<string>,
  depth: number,
): Promise<{ sent: number; present: number }> {
  if (pushed.has(target.digest)) return { sent: 0, present: 0 };
  if (depth > MAX_DEPTH)
    throw new StatusError('InvalidArgument', `${set.path}: index nested too deep at ${target.digest}`);
  const bytes = await set.read(target);
  const where = `${set.path}: blob ${target.digest}`;
  const counts = { sent: 0, present: 0 };
  if (isIndex(target)) {
    for (const child of parseIndex(bytes, where).manifests) {
      const inner = await pushTree(set, registry, { target: child, name: child.digest }, pushed, depth + 1);
      counts.sent += inner.sent;
      counts.present += inner.present;
    }
  } else {
    const { config, layers } = parseManifest(bytes, where);
    const blobs = new Map([config, ...(layers ?? [])].map((blob) => [blob.digest, blob]));
    const limit = pLimit(PARALLEL);
    const sent = await Promise.all(
      [...blobs.values()].map((blob) => limit(() => registry.pushBlob(set, blob))),
    );
    counts.sent = sent.filter(Boolean).length;
    counts.present = sent.length - counts.sent;
  }
  const mediaType = target.mediaType || MEDIA.ociManifest;
  await registry.pushManifest(name, { ...target, mediaType }, bytes);
  pushed.add(target.digest);
  return counts;
}

function targetOf(set: ImageSet): Descriptor {
  const [only, ...others] = set.images;
  if (only !== undefined && others.length === 0) return only.target;
  throw new UsageError(`${set.path}: holds ${set.images.length} images: only one can be pushed`);
}
