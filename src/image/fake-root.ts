import { createReadStream, createWriteStream } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { LAYER_MARKER } from '../closure/recover.ts';
import { STORE_DIR } from '../closure/store-path.ts';
import { messageOf, StatusError } from '../errors.ts';
import { decompressor, detectCompression } from './compression.ts';
import type { TarHeader } from './tar-header.ts';
import { invalid, safeName, tarHeaders } from './tar-index.ts';

/** A tar that becomes a layer as it is. */
export interface FakeRoot {
  /** Uncompressed. */
  readonly file: string;
  /** Where something is, without slashes at the ends. */
  readonly paths: ReadonlySet<string>;
}

const MAX_ENTRIES = 1_000_000;
/** Bytes: Linux' PATH_MAX. */
const MAX_NAME = 4096;
const STORE = STORE_DIR.slice(1);
/** What is only a plain directory here: others would take the store away. */
const STORE_PARENTS: ReadonlySet<string> = new Set(['nix', STORE]);
const PLAIN_MODES: ReadonlySet<number | undefined> = new Set([0o755, 0o555]);
const PERMISSIONS = 0o7777;
/** Extended attributes by which overlayfs hides or moves what is below, as PAX records have them. */
const OVERLAY_RECORD = /xattr\.[a-z]+\.overlay\./;
/** How an image's layer says that a file is removed. Source: OCI image specification, "Whiteouts". */
const WHITEOUT_PREFIX = '.wh.';
const KINDS = {
  file: '0',
  oldFile: '7',
  hardLink: '1',
  symlink: '2',
  character: '3',
  directory: '5',
} as const;
const BLOCK_DEVICE_OR_PIPE = ['4', '6'];

/**
 * Reads a tar that is to be a layer, as a fake root (`fakeroot tar`) makes it: owners, modes and devices of its own. Its bytes are
 * not changed; what would not be on a node what it is in the tar is refused.
 *
 * @param path of the tar: plain, gzip or zstd.
 * @param unpacked where a compressed one is unpacked to.
 * @throws StatusError NotFound or DataLoss naming the file; InvalidArgument naming the entry that leads out of the image, has a name
 *   that is too long, lies in the store, takes it away or lies below a link, would hide another file, or is twice there.
 */
export async function readFakeRoot(path: string, unpacked: string): Promise<FakeRoot> {
  const file = await plain(path, unpacked);
  await using handle = await opened(file);
  const { size } = await handle.stat();
  const check = new EntryCheck(path);
  for await (const { header, records } of tarHeaders(handle, size, path)) check.add(header, records);
  return { file, paths: check.paths };
}

/** Remembers what was there, and throws for what does not fit. */
class EntryCheck {
  readonly #path: string;
  readonly #kinds = new Map<string, string>();
  readonly #parents = new Set<string>();

  constructor(path: string) {
    this.#path = path;
  }

  get paths(): ReadonlySet<string> {
    return new Set(this.#kinds.keys());
  }

  add(header: TarHeader, records: readonly string[]): void {
    const { type } = header;
    const wrong = (what: string) => invalid(this.#path, header.name, what);
    const length = Buffer.byteLength(header.name);
    if (length > MAX_NAME) throw wrong(`has a name of ${length} bytes: ${MAX_NAME} is the limit`);
    const name = safeName(header.name, this.#path);
    this.#checkPlace(name, type, wrong);
    if (STORE_PARENTS.has(name)) checkStoreParent(header, wrong);
    const overlay = records.find((record) => OVERLAY_RECORD.test(record));
    if (overlay !== undefined)
      throw wrong(`has ${JSON.stringify(overlay.slice(0, 300))}, by which overlayfs hides or moves files`);
    const before = this.#kinds.get(name);
    if (before !== undefined && (before !== KINDS.directory || type !== KINDS.directory))
      throw wrong('is there twice');
    if (type === KINDS.hardLink) {
      const target = this.#kinds.get(safeName(header.linkName, this.#path));
      if (target === undefined || target === KINDS.directory)
        throw wrong(
          `is a hard link to ${JSON.stringify(header.linkName.slice(0, 300))}, which is no file before it`,
        );
    }
    if (type === KINDS.character && header.isNullDevice)
      throw wrong('is the device 0:0, by which overlayfs removes a file');
    const isKnown = [...Object.values<string>(KINDS), ...BLOCK_DEVICE_OR_PIPE].includes(type);
    if (!isKnown) throw wrong(`has tar type ${JSON.stringify(type)}, which no layer holds`);
    this.#kinds.set(name, type);
    if (this.#kinds.size > MAX_ENTRIES)
      throw new StatusError('ResourceExhausted', `${this.#path}: more than ${MAX_ENTRIES} entries`);
  }

  #checkPlace(name: string, type: string, wrong: (what: string) => StatusError): void {
    if (name === '' && type !== KINDS.directory) throw wrong('is the root, but no directory');
    if (name.startsWith(`${STORE}/`) || (STORE_PARENTS.has(name) && type !== KINDS.directory))
      throw wrong(
        `lies in ${STORE_DIR}, which is the store's: name the store path on the command line instead`,
      );
    if (name === LAYER_MARKER) throw wrong('is the mark of a Nix layer');
    if (name.split('/').some((part) => part.startsWith(WHITEOUT_PREFIX)))
      throw wrong(`has a part that begins with ${WHITEOUT_PREFIX}, which in an image removes a file`);
    for (let above = dirname(name); above !== '.'; above = dirname(above)) {
      const kind = this.#kinds.get(above);
      if (kind !== undefined && kind !== KINDS.directory)
        throw wrong(`lies below ${above}, which is no directory`);
      this.#parents.add(above);
    }
    if (type !== KINDS.directory && this.#parents.has(name))
      throw wrong('is no directory, but an entry before it lies below it');
  }
}

function checkStoreParent({ mode, uid, gid }: TarHeader, wrong: (what: string) => StatusError): void {
  const bits = mode === undefined ? undefined : mode & PERMISSIONS;
  if (PLAIN_MODES.has(bits) && uid === 0 && gid === 0) return;
  throw wrong(
    `has mode ${bits?.toString(8) ?? 'unknown'} and owner ${uid}:${gid}, but leads to the store: leave it out, or give it 0755 and 0:0`,
  );
}

async function plain(path: string, unpacked: string): Promise<string> {
  const transform = decompressor(detectCompression(await headOf(path)));
  if (transform === undefined) return path;
  try {
    await pipeline(createReadStream(path), transform, createWriteStream(unpacked));
  } catch (cause) {
    throw new StatusError('DataLoss', `${path}: cannot be unpacked: ${messageOf(cause)}`, { cause });
  }
  return unpacked;
}

async function headOf(path: string): Promise<Buffer> {
  await using file = await opened(path);
  if (!(await file.stat()).isFile())
    throw new StatusError('InvalidArgument', `${path}: is no file; write a tar first`);
  const { bytesRead, buffer } = await file.read(Buffer.alloc(4), 0, 4, 0);
  return buffer.subarray(0, bytesRead);
}

async function opened(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r');
  } catch (cause) {
    throw new StatusError('NotFound', `${path}: cannot be read: ${messageOf(cause)}`, { cause });
  }
}
