import type { FileHandle } from 'node:fs/promises';
import { StatusError } from '../errors.ts';
import { decodePax, decodeTarHeader, type TarHeader } from './tar-header.ts';

/** Where a regular file's bytes lie in the tar file, in bytes. */
export interface TarEntry {
  readonly offset: number;
  readonly size: number;
}

const BLOCK = 512;
const MAX_ENTRIES = 100_000;
const MAX_EXTENSION_BYTES = 1024 * 1024;
const MAX_LINKS = 8;
/** Links, devices, directories and pipes. */
const WITHOUT_CONTENT = '123456';
/** By them a file has another name and size than its header says. Source: GNU tar, "Storing Sparse Files". */
const SPARSE_RECORD = 'GNU.sparse.';

/**
 * Reads the headers of an uncompressed tar file, skipping over the contents, so that files can be read later
 * where they lie. Links (older `docker save` shares layers by them) are resolved inside the archive.
 *
 * @param path of the archive, for messages.
 * @throws StatusError InvalidArgument naming archive and entry: a name that is absolute or has `..`, a duplicate
 *   file, a device, a broken header; DataLoss when the archive ends early; ResourceExhausted for too many entries.
 */
export async function indexTar(file: FileHandle, path: string): Promise<ReadonlyMap<string, TarEntry>> {
  const { size: fileSize } = await file.stat();
  const entries = new Map<string, TarEntry>();
  const links = new Map<string, string>();
  for await (const { header, offset } of tarHeaders(file, fileSize, path)) {
    const name = safeName(header.name, path);
    switch (header.type) {
      case '0':
      case '7':
        if (entries.has(name) || links.has(name)) throw invalid(path, name, 'is there twice');
        entries.set(name, { offset, size: header.size });
        break;
      case '1':
        links.set(name, safeName(header.linkName, path));
        break;
      case '2':
        links.set(name, linkTarget(name, header.linkName, path));
        break;
      case '5':
        break;
      default:
        throw invalid(
          path,
          name,
          `has tar type ${JSON.stringify(header.type)}, which no image archive holds`,
        );
    }
    if (entries.size + links.size > MAX_ENTRIES) {
      throw new StatusError('ResourceExhausted', `${path}: more than ${MAX_ENTRIES} entries`);
    }
  }
  for (const name of links.keys()) {
    const target = followLinks(name, links, entries);
    if (target !== undefined && !entries.has(name)) entries.set(name, target);
  }
  return entries;
}

/**
 * The headers of an uncompressed tar file in turn, with what its extensions say, and where their contents begin. `records` are the
 * names of all its PAX records. What readers of tars understand differently is refused.
 *
 * @param path of the archive, for messages.
 * @throws StatusError InvalidArgument for a broken, overlong or ambiguous header; DataLoss when the archive ends early.
 */
export async function* tarHeaders(
  file: FileHandle,
  fileSize: number,
  path: string,
): AsyncGenerator<{ header: TarHeader; records: readonly string[]; offset: number }> {
  let position = 0;
  let last = '(the first)';
  let extensions: Extension[] = [];
  while (position < fileSize) {
    const block = await readExact(file, position, BLOCK, path, last);
    const header = decodeTarHeader(block);
    if (header === undefined) {
      const what = position === 0 ? 'it is not a tar file' : `the header after entry ${last} is broken`;
      throw new StatusError('InvalidArgument', `${path}: ${what} (byte ${position})`);
    }
    if (header === 'end') return;
    const offset = position + BLOCK;
    const isExtension = 'xgLK'.includes(header.type);
    const merged = isExtension ? header : extended(header, extensions);
    const { size } = merged;
    if (offset + size > fileSize) {
      throw new StatusError(
        'DataLoss',
        `${path}: entry ${JSON.stringify(merged.name)} says ${size} bytes, but the archive ends after ` +
          `${fileSize - offset} of them: it is truncated`,
      );
    }
    position = offset + Math.ceil(size / BLOCK) * BLOCK;
    if (!isExtension) {
      yield { header: merged, records: extensions.flatMap(({ records }) => records), offset };
      last = JSON.stringify(merged.name);
      extensions = [];
    } else if (header.type === 'g') {
      if (extensions.length > 0)
        throw invalid(path, header.name, 'stands between an entry and its extension');
    } else {
      if (size > MAX_EXTENSION_BYTES) throw invalid(path, header.name, `is a tar extension of ${size} bytes`);
      const found = extension(header, await readExact(file, offset, size, path, last), path);
      const twice = extensions.some(
        ({ type, says }) => type === found.type || Object.keys(says).some((member) => member in found.says),
      );
      if (twice)
        throw invalid(path, header.name, 'is a tar extension that says what another one before it says');
      extensions.push(found);
    }
  }
  throw new StatusError('DataLoss', `${path}: no end-of-archive mark after entry ${last}: it is truncated`);
}

/** What a header before an entry's own says of it. */
interface Extension {
  readonly type: string;
  readonly says: Partial<Pick<TarHeader, 'name' | 'linkName' | 'size' | 'uid' | 'gid'>>;
  readonly records: readonly string[];
}

/** The entry's header with its extensions; only a file has bytes behind it, whatever the header of another says. */
function extended(header: TarHeader, extensions: readonly Extension[]): TarHeader {
  const merged = extensions.reduce<TarHeader>((before, { says }) => ({ ...before, ...says }), header);
  const type = merged.type === '\0' ? (merged.name.endsWith('/') ? '5' : '0') : merged.type;
  return { ...merged, type, size: WITHOUT_CONTENT.includes(type) ? 0 : merged.size };
}

function extension(header: TarHeader, bytes: Buffer, path: string): Extension {
  const { type } = header;
  if (type === 'L') return { type, says: { name: untilZero(bytes) }, records: [] };
  if (type === 'K') return { type, says: { linkName: untilZero(bytes) }, records: [] };
  const pax = decodePax(bytes);
  // An empty value leaves what the header says.
  const valueOf = (key: string): string | undefined => pax?.get(key) || undefined;
  const numbers = ['size', 'uid', 'gid'].flatMap((key) => {
    const value = valueOf(key);
    return value === undefined ? [] : [[key, value] as const];
  });
  if (pax === undefined || numbers.some(([, value]) => !/^[0-9]{1,15}$/.test(value))) {
    throw invalid(path, header.name, 'is a broken PAX header');
  }
  const sparse = [...pax.keys()].find((key) => key.startsWith(SPARSE_RECORD));
  if (sparse !== undefined)
    throw invalid(path, header.name, `has ${JSON.stringify(sparse.slice(0, 300))}: a sparse file`);
  const name = valueOf('path');
  const linkName = valueOf('linkpath');
  const says = {
    ...(name === undefined ? {} : { name }),
    ...(linkName === undefined ? {} : { linkName }),
    ...Object.fromEntries(numbers.map(([key, value]) => [key, Number(value)])),
  };
  return { type, says, records: [...pax.keys()] };
}

async function readExact(file: FileHandle, position: number, length: number, path: string, last: string) {
  const buffer = Buffer.alloc(length);
  for (let have = 0; have < length; ) {
    const { bytesRead } = await file.read(buffer, have, length - have, position + have);
    if (bytesRead === 0) {
      throw new StatusError(
        'DataLoss',
        `${path}: it ends in the middle of a header, after entry ${last}: truncated`,
      );
    }
    have += bytesRead;
  }
  return buffer;
}

/**
 * The name of an entry without empty and `.` parts.
 *
 * @throws StatusError InvalidArgument for one that is absolute or has `..` or a NUL.
 */
export function safeName(name: string, path: string): string {
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  if (name.startsWith('/') || parts.includes('..') || name.includes('\0')) {
    throw invalid(path, name, 'has a name that leads out of the archive');
  }
  return parts.join('/');
}

function linkTarget(name: string, target: string, path: string): string {
  const parts = name.split('/').slice(0, -1);
  for (const part of target.split('/')) {
    if (part === '..' && parts.length > 0) parts.pop();
    else if (part === '..' || target.startsWith('/'))
      throw invalid(path, name, 'is a link that leads out of the archive');
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return parts.join('/');
}

function followLinks(
  name: string,
  links: ReadonlyMap<string, string>,
  entries: ReadonlyMap<string, TarEntry>,
) {
  let at = name;
  for (let hops = 0; hops < MAX_LINKS; hops++) {
    const next = links.get(at);
    if (next === undefined) return entries.get(at);
    at = next;
  }
  return undefined;
}

function untilZero(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return bytes.toString('utf8', 0, end < 0 ? bytes.length : end);
}

/** What is wrong with an entry of an archive. */
export function invalid(path: string, name: string, what: string): StatusError {
  return new StatusError('InvalidArgument', `${path}: entry ${JSON.stringify(name.slice(0, 300))} ${what}`);
}
