import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { extract } from 'tar-stream';
import type { LayerClosure } from '../closure/annotations.ts';
import { LAYER_MARKER, type ListedEntry, mayHoldMountPoints, recoverClosure } from '../closure/recover.ts';
import { STORE_DIR } from '../closure/store-path.ts';
import { withoutTrailingSlashes } from '../closure/trailing-slashes.ts';
import { messageOf, StatusError } from '../errors.ts';
import { decompressor, detectCompression } from '../image/compression.ts';

/** As many as the snapshotter looks at; a Nix layer of 50,000 store paths has fewer. */
const MAX_ENTRIES = 200_000;
/** Longest text of a marker, in bytes. */
const MAX_MARKER = 4096;

/**
 * Finds the closure of a layer whose manifest has no annotations (a docker archive has none) by what is in its tar, as the
 * snapshotter does by what it unpacks to: see {@link recoverClosure}.
 *
 * @param blob plain, gzip or zstd.
 * @returns undefined for an ordinary layer, one that holds its store paths among them, and for one with too many entries to be another.
 * @throws StatusError DataLoss when it is no tar, or what reading it raises.
 */
export async function recoverFromTar(blob: Readable): Promise<LayerClosure | undefined> {
  const listed = await list(blob);
  if (listed === undefined) return undefined;
  return recoverClosure([...listed.marker, ...listed.store, ...listed.rest]);
}

interface Listed {
  /** The store paths themselves are in it. */
  holdsPaths: boolean;
  readonly marker: ListedEntry[];
  readonly store: ListedEntry[];
  readonly rest: ListedEntry[];
}

async function list(blob: Readable): Promise<Listed | undefined> {
  const [head, source] = await peek(blob);
  const transform = decompressor(detectCompression(head));
  const listed: Listed = { holdsPaths: false, marker: [], store: [], rest: [] };
  let count = 0;
  const reader = extract();
  const reading = (async () => {
    for await (const entry of reader) {
      const { name, type, size, linkname, mode } = entry.header;
      const path = withoutTrailingSlashes(name.replace(/^(?:\.?\/)+/, ''));
      if (path === LAYER_MARKER && type === 'file' && size <= MAX_MARKER) {
        const chunks: Buffer[] = [];
        for await (const chunk of entry) chunks.push(chunk as Buffer);
        const markerText = Buffer.concat(chunks).toString('utf8');
        listed.marker.push({ path, kind: 'file', empty: size === 0, markerText });
        continue;
      }
      entry.resume();
      count += 1;
      if (path === STORE_DIR.slice(1)) listed.holdsPaths ||= !mayHoldMountPoints(mode ?? 0);
      if (path === '' || path === STORE_DIR.slice(1) || count > MAX_ENTRIES) continue;
      const into = path.startsWith(`${STORE_DIR.slice(1)}/`) ? listed.store : listed.rest;
      into.push(entryOf(path, type, size, linkname));
    }
  })();
  try {
    await Promise.all([
      transform === undefined ? pipeline(source, reader) : pipeline(source, transform, reader),
      reading,
    ]);
  } catch (error) {
    if (error instanceof StatusError) throw error;
    throw new StatusError('DataLoss', `a layer is no tar: ${messageOf(error)}`, { cause: error });
  }
  return count > MAX_ENTRIES || listed.holdsPaths ? undefined : listed;
}

function entryOf(
  path: string,
  type: string | null | undefined,
  size: number,
  target: string | null,
): ListedEntry {
  if (type === 'directory') return { path, kind: 'directory' };
  if (type === 'symlink') return { path, kind: 'symlink', target: target ?? '' };
  if (type === 'file') return { path, kind: 'file', empty: size === 0 };
  return { path, kind: 'other' };
}

/** The first chunk, and a stream of all chunks. */
async function peek(blob: Readable): Promise<readonly [Buffer, Readable]> {
  const chunks = blob[Symbol.asyncIterator]();
  const first = await chunks.next();
  const head = first.done === true ? Buffer.alloc(0) : (first.value as Buffer);
  async function* all(): AsyncGenerator<Buffer, void> {
    try {
      yield head;
      for (let next = await chunks.next(); next.done !== true; next = await chunks.next())
        yield next.value as Buffer;
    } finally {
      blob.destroy();
    }
  }
  return [head, Readable.from(all(), { objectMode: false })];
}
