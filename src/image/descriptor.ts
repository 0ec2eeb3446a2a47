import { createHash } from 'node:crypto';
import * as v from 'valibot';
import { StatusError } from '../errors.ts';

/** Media types of the OCI image specification and of Docker's image manifest version 2. */
export const MEDIA = {
  ociIndex: 'application/vnd.oci.image.index.v1+json',
  ociManifest: 'application/vnd.oci.image.manifest.v1+json',
  ociConfig: 'application/vnd.oci.image.config.v1+json',
  ociLayer: 'application/vnd.oci.image.layer.v1.tar',
  ociLayerGzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  ociLayerZstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
  dockerIndex: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
} as const;

/** Largest manifest, index or config that is read, in bytes; containerd's own limit for a manifest. */
export const MAX_JSON_BYTES = 8 * 1024 * 1024;

const DIGEST = /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/;

const PlatformSchema = v.looseObject({
  architecture: v.string(),
  os: v.string(),
  variant: v.optional(v.string()),
});

const DescriptorSchema = v.looseObject({
  mediaType: v.optional(v.string(), ''),
  digest: v.pipe(v.string(), v.regex(DIGEST, 'is not a sha256 or sha512 digest')),
  size: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
  annotations: v.nullish(v.record(v.string(), v.string())),
  platform: v.nullish(PlatformSchema),
});

const ManifestSchema = v.looseObject({
  mediaType: v.optional(v.string()),
  config: DescriptorSchema,
  layers: v.nullish(v.array(DescriptorSchema)),
  annotations: v.nullish(v.record(v.string(), v.string())),
});

const IndexSchema = v.looseObject({
  mediaType: v.optional(v.string()),
  manifests: v.array(DescriptorSchema),
});

/** Reference to a blob: digest, size in bytes, media type; other members are kept as they are. */
export type Descriptor = v.InferOutput<typeof DescriptorSchema>;
export type Manifest = v.InferOutput<typeof ManifestSchema>;
export type Index = v.InferOutput<typeof IndexSchema>;

/** @throws StatusError InvalidArgument naming `where` and the member that is wrong. */
export function parseManifest(bytes: Uint8Array, where: string): Manifest {
  return parseJson(ManifestSchema, bytes, where);
}

/** @throws StatusError InvalidArgument naming `where` and the member that is wrong. */
export function parseIndex(bytes: Uint8Array, where: string): Index {
  return parseJson(IndexSchema, bytes, where);
}

/** Untrusted bytes to a checked value; errors name `where`. */
export function parseJson<T extends v.GenericSchema>(
  schema: T,
  bytes: Uint8Array,
  where: string,
): v.InferOutput<T> {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new StatusError('InvalidArgument', `${where}: not JSON in UTF-8`, { cause });
  }
  const result = v.safeParse(schema, value);
  if (result.success) return result.output;
  const issue = result.issues[0];
  const member = v.getDotPath(issue);
  throw new StatusError(
    'InvalidArgument',
    `${where}: ${member === null ? '' : `${member}: `}${issue.message}`,
  );
}

export function isIndex(descriptor: Pick<Descriptor, 'mediaType'>): boolean {
  return descriptor.mediaType === MEDIA.ociIndex || descriptor.mediaType === MEDIA.dockerIndex;
}

/** An OCI image manifest over a config and layers: its bytes, and the descriptor of them. */
export function describeManifest(
  config: Descriptor,
  layers: readonly Descriptor[],
  annotations?: Readonly<Record<string, string>>,
): { descriptor: Descriptor; bytes: Buffer } {
  const bytes = encodeJson({
    schemaVersion: 2,
    mediaType: MEDIA.ociManifest,
    config,
    layers,
    ...(annotations === undefined || Object.keys(annotations).length === 0 ? {} : { annotations }),
  });
  return { descriptor: describe(MEDIA.ociManifest, bytes), bytes };
}

/** `sha256:<hex>` of the bytes. */
export function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** Descriptor of bytes held in memory. */
export function describe(mediaType: string, bytes: Uint8Array): Descriptor {
  return { mediaType, digest: sha256(bytes), size: bytes.length };
}

/** The JSON that is hashed and stored: no white space, members in the order given. */
export function encodeJson(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}
