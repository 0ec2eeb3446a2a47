import { createWriteStream } from 'node:fs';
import { access, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { errnoOf } from '../errors.ts';
import { type Descriptor, parseIndex } from './descriptor.ts';
import { NAME_ANNOTATION } from './oci-set.ts';
import { blobFile, fileBlob, indexEntry, indexJson, LAYOUT_JSON, type OutputSet } from './output-image.ts';

/**
 * Writes an image or index into an OCI layout directory, made when absent. Other images of the layout stay; one of the same
 * name is replaced in `index.json`, last, by one rename.
 *
 * @throws StatusError InvalidArgument when an `index.json` is there that is none.
 */
export async function writeOciLayout(set: OutputSet, out: string): Promise<void> {
  for (const { descriptor, open } of set.blobs) {
    const file = join(out, blobFile(descriptor.digest));
    if (!(await exists(file))) await writeWhole(file, await open());
  }
  const others = (await readIndex(join(out, 'index.json'))).filter(
    (entry) => entry.annotations?.[NAME_ANNOTATION] !== set.ref,
  );
  await writeFile(join(out, 'oci-layout'), LAYOUT_JSON);
  await writeWhole(join(out, 'index.json'), await fileBlob(indexJson([...others, indexEntry(set)])).open());
}

async function readIndex(file: string): Promise<readonly Descriptor[]> {
  try {
    return parseIndex(await readFile(file), file).manifests;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}

async function writeWhole(file: string, source: Readable): Promise<void> {
  const temporary = `${file}.tmp-${process.pid}`;
  await mkdir(dirname(file), { recursive: true });
  try {
    await pipeline(source, createWriteStream(temporary));
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

async function exists(file: string): Promise<boolean> {
  try {
    await access(file);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}
