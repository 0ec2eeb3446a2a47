import { createHash } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { type LayerEntry, layerTar } from '../../test/fixtures/oci-archive.ts';

interface Descriptor {
  mediaType: string;
  digest: string;
  size: number;
  annotations?: Record<string, string>;
}

interface Manifest {
  config: Descriptor;
  layers: Descriptor[];
}

interface ImageConfig {
  rootfs: { diff_ids: string[] };
  history?: object[];
}

/**
 * Puts an ordinary layer on the one image of an OCI layout, as `COPY` in a Dockerfile would. The layers below keep
 * their annotations. OCI image specification, "Image Layout".
 *
 * @param layout its directory on the host.
 */
export async function appendLayer(layout: string, entries: readonly LayerEntry[]): Promise<void> {
  const index = await readJson<{ manifests: [Descriptor] }>(`${layout}/index.json`);
  const [target] = index.manifests;
  const manifest = await readJson<Manifest>(blobFile(layout, target.digest));
  const config = await readJson<ImageConfig>(blobFile(layout, manifest.config.digest));

  const tar = await layerTar(entries);
  config.rootfs.diff_ids.push(digestOf(tar));
  config.history = [...(config.history ?? []), { created_by: 'COPY', comment: 'ordinary layer' }];
  manifest.layers.push({
    mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
    ...(await writeBlob(layout, gzipSync(tar))),
  });
  await rm(blobFile(layout, manifest.config.digest));
  await rm(blobFile(layout, target.digest));
  Object.assign(manifest.config, await writeBlob(layout, encode(config)));
  Object.assign(target, await writeBlob(layout, encode(manifest)));
  await writeFile(`${layout}/index.json`, encode(index));
}

/** The manifest of the one image of an OCI layout. */
export async function readManifest(layout: string): Promise<Manifest> {
  const index = await readJson<{ manifests: [Descriptor] }>(`${layout}/index.json`);
  return await readJson<Manifest>(blobFile(layout, index.manifests[0].digest));
}

async function writeBlob(layout: string, bytes: Buffer): Promise<{ digest: string; size: number }> {
  const digest = digestOf(bytes);
  await writeFile(blobFile(layout, digest), bytes);
  return { digest, size: bytes.length };
}

function blobFile(layout: string, digest: string): string {
  return `${layout}/blobs/${digest.replace(':', '/')}`;
}

function digestOf(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

async function readJson<T>(file: string): Promise<T> {
  return JSON.parse(await readFile(file, 'utf8')) as T;
}

function encode(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}
