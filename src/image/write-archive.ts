import { createWriteStream } from 'node:fs';
import { lstat, rename, rm } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { type Pack, pack } from 'tar-stream';
import { errnoOf } from '../errors.ts';
import { decompressor, detectCompression } from './compression.ts';
import { Digester, nowhere } from './digest.ts';
import {
  blobFile,
  dockerManifest,
  fileBlob,
  indexEntry,
  indexJson,
  LAYOUT_JSON,
  type OutputImage,
  type OutputSet,
  setOf,
} from './output-image.ts';
import type { Readable } from 'node:stream';

interface ArchiveFile {
  readonly name: string;
  readonly size: number;
  readonly open: () => Promise<Readable>;
}

const EPOCH = new Date(0);

/**
 * Writes an OCI archive that is a docker archive too (`manifest.json` beside `index.json`), as containerd's export
 * does. The file appears under its name only when complete. Same image, same bytes.
 */
export async function writeOciArchive(image: OutputImage, out: string): Promise<void> {
  const docker = dockerManifest(
    image,
    blobFile(image.config.descriptor.digest),
    image.layers.map((layer) => blobFile(layer.descriptor.digest)),
  );
  await writeOciSetArchive(setOf(image), out, [inMemory('manifest.json', docker)]);
}

/** As {@link writeOciArchive}, of an index of several images, which is no docker archive. */
export async function writeOciSetArchive(
  set: OutputSet,
  out: string,
  more: readonly ArchiveFile[] = [],
): Promise<void> {
  const blobs = set.blobs.map(({ descriptor, open }) => ({
    name: blobFile(descriptor.digest),
    size: descriptor.size,
    open,
  }));
  const files = [
    ...blobs,
    inMemory('index.json', indexJson([indexEntry(set)])),
    ...more,
    inMemory('oci-layout', LAYOUT_JSON),
  ];
  await writeTar(['blobs/', 'blobs/sha256/'], files, out);
}

/** Writes a docker archive: plain layers named by their diff ids. It has no place for layer annotations. */
export async function writeDockerArchive(image: OutputImage, out: string): Promise<void> {
  const layers = new Map<string, ArchiveFile>();
  const names: string[] = [];
  for (const layer of image.layers) {
    const name = `${layer.diffId.slice('sha256:'.length)}.tar`;
    names.push(name);
    if (!layers.has(name)) layers.set(name, await unpacked(name, () => layer.open()));
  }
  const config = `${image.config.descriptor.digest.slice('sha256:'.length)}.json`;
  const files = [
    ...layers.values(),
    inMemory(config, image.config.bytes),
    inMemory('manifest.json', dockerManifest(image, config, names)),
  ];
  await writeTar([], files, out);
}

/** Plain tar of a layer; read once here for its size, which a tar header states first. */
async function unpacked(name: string, open: () => Promise<Readable>): Promise<ArchiveFile> {
  const counter = new Digester();
  await pipeline(await plain(open), counter, nowhere());
  return { name, size: counter.size, open: () => plain(open) };
}

async function plain(open: () => Promise<Readable>): Promise<Readable> {
  const head = await headOf(await open());
  const source = await open();
  const transform = decompressor(detectCompression(head));
  if (transform === undefined) return source;
  source.on('error', (error) => transform.destroy(error));
  return source.pipe(transform);
}

async function headOf(source: Readable): Promise<Buffer> {
  let head = Buffer.alloc(0);
  for await (const chunk of source) {
    head = Buffer.concat([head, chunk as Buffer]);
    if (head.length >= 4) break;
  }
  return head;
}

function inMemory(name: string, bytes: Buffer): ArchiveFile {
  return { name, size: bytes.length, open: fileBlob(bytes).open };
}

async function writeTar(dirs: readonly string[], files: readonly ArchiveFile[], out: string): Promise<void> {
  const target = (await isReplaceable(out)) ? `${out}.tmp-${process.pid}` : out;
  const tar = pack();
  try {
    await Promise.all([fill(tar, dirs, files), pipeline(tar, createWriteStream(target))]);
    if (target !== out) await rename(target, out);
  } catch (error) {
    if (target !== out) await rm(target, { force: true });
    throw error;
  }
}

async function fill(tar: Pack, dirs: readonly string[], files: readonly ArchiveFile[]): Promise<void> {
  const common = { uid: 0, gid: 0, mtime: EPOCH };
  try {
    for (const name of dirs) tar.entry({ ...common, name, type: 'directory', mode: 0o755 });
    for (const { name, size, open } of files) {
      await pipeline(await open(), tar.entry({ ...common, name, size, mode: 0o444 }));
    }
    tar.finalize();
  } catch (error) {
    tar.destroy(error instanceof Error ? error : new Error(String(error)));
    throw error;
  }
}

/** True for a file or nothing; a pipe or device is written to directly. */
async function isReplaceable(out: string): Promise<boolean> {
  try {
    const info = await lstat(out);
    return info.isFile() || info.isDirectory();
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return true;
    throw error;
  }
}
