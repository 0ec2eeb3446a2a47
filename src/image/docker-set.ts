import { pipeline } from 'node:stream/promises';
import * as v from 'valibot';
import { messageOf, StatusError } from '../errors.ts';
import { decompressor, detectCompression, LAYER_MEDIA_TYPES } from './compression.ts';
import {
  type Descriptor,
  describe,
  describeManifest,
  MAX_JSON_BYTES,
  MEDIA,
  parseJson,
} from './descriptor.ts';
import { Digester, nowhere } from './digest.ts';
import { FileBlobs } from './file-blobs.ts';
import { type FileSet, missing, readHead, readSmall } from './file-set.ts';
import type { ImageSet, NamedImage } from './image-set.ts';
import { normalReference } from './reference.ts';

const DockerManifestSchema = v.array(
  v.looseObject({
    Config: v.string(),
    RepoTags: v.nullish(v.array(v.string())),
    Layers: v.nullish(v.array(v.string())),
  }),
);
const ConfigSchema = v.looseObject({
  rootfs: v.looseObject({ diff_ids: v.nullish(v.array(v.string())) }),
});
type DockerImage = v.InferOutput<typeof DockerManifestSchema>[number];

interface Contents {
  readonly fileOf: Map<string, string>;
  readonly memory: Map<string, Buffer>;
  readonly layers: Map<string, { descriptor: Descriptor; diffId: string }>;
}

/**
 * Reads a docker archive (`docker save`, `dockerTools`): `manifest.json` names config and layer files. Layers may
 * be plain, gzip or zstd; each is read once to learn its digest and to check it against the config's `diff_ids`.
 * An OCI manifest is made for each image, the same for the same archive. Takes over `files`.
 *
 * @throws StatusError InvalidArgument, NotFound or DataLoss, naming archive and entry.
 */
export async function openDockerSet(files: FileSet): Promise<ImageSet> {
  const where = `${files.path}: entry manifest.json`;
  const list = parseJson(
    DockerManifestSchema,
    await readSmall(files, 'manifest.json', MAX_JSON_BYTES),
    where,
  );
  if (list.length === 0) throw new StatusError('InvalidArgument', `${where} names no image`);
  const contents: Contents = { fileOf: new Map(), memory: new Map(), layers: new Map() };
  const images: NamedImage[] = [];
  for (const image of list) images.push(await readImage(files, image, contents));
  const blobs = new FileBlobs(
    { fileOf: (digest) => contents.fileOf.get(digest), memory: contents.memory },
    { files },
  );
  return {
    path: files.path,
    images,
    has: (descriptor) => blobs.has(descriptor),
    open: (descriptor) => blobs.open(descriptor),
    read: (descriptor) => blobs.read(descriptor),
    [Symbol.asyncDispose]: () => files[Symbol.asyncDispose](),
  };
}

async function readImage(files: FileSet, image: DockerImage, contents: Contents): Promise<NamedImage> {
  const configName = entryName(image.Config);
  const configBytes = await readSmall(files, configName, MAX_JSON_BYTES);
  const config = parseJson(ConfigSchema, configBytes, `${files.path}: entry ${configName}`);
  const diffIds = config.rootfs.diff_ids ?? [];
  const names = (image.Layers ?? []).map(entryName);
  if (names.length !== diffIds.length) {
    throw new StatusError(
      'InvalidArgument',
      `${files.path}: manifest.json names ${names.length} layers, ${configName} has ${diffIds.length} diff_ids`,
    );
  }
  const layers: Descriptor[] = [];
  for (const [i, name] of names.entries()) {
    const known = contents.layers.get(name);
    const layer = known ?? (await readLayer(files, name));
    contents.layers.set(name, layer);
    contents.fileOf.set(layer.descriptor.digest, name);
    if (layer.diffId !== diffIds[i]) {
      throw new StatusError(
        'DataLoss',
        `${files.path}: entry ${name} unpacks to ${layer.diffId}, ${configName} says ${diffIds[i]}`,
      );
    }
    layers.push(layer.descriptor);
  }
  const configDescriptor = describe(MEDIA.ociConfig, configBytes);
  contents.memory.set(configDescriptor.digest, configBytes);
  const { descriptor, bytes } = describeManifest(configDescriptor, layers);
  contents.memory.set(descriptor.digest, bytes);
  return { target: descriptor, names: (image.RepoTags ?? []).map(normalReference) };
}

async function readLayer(files: FileSet, name: string): Promise<{ descriptor: Descriptor; diffId: string }> {
  if ((await files.size(name)) === undefined) throw missing(files.path, name);
  const compression = detectCompression(await readHead(files, name, 4));
  const blob = new Digester();
  const source = await files.open(name);
  const transform = decompressor(compression);
  const unpacked = transform === undefined ? undefined : new Digester();
  try {
    if (transform === undefined || unpacked === undefined) await pipeline(source, blob, nowhere());
    else await pipeline(source, blob, transform, unpacked, nowhere());
  } catch (cause) {
    throw new StatusError('DataLoss', `${files.path}: entry ${name}: ${messageOf(cause)}`, { cause });
  }
  const digest = blob.digest();
  return {
    descriptor: { mediaType: LAYER_MEDIA_TYPES[compression], digest, size: blob.size },
    diffId: unpacked?.digest() ?? digest,
  };
}

function entryName(name: string): string {
  return name
    .split('/')
    .filter((part) => part !== '' && part !== '.')
    .join('/');
}
