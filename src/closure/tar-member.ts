/** Who owns a member. Numbers too large for a header stand in `records`, too; names have at most 32 bytes. */
export interface TarOwner {
  readonly uid: number;
  readonly gid: number;
  readonly uname?: string;
  readonly gname?: string;
}

/** What the header of a member of a tar archive says. */
export interface TarMemberHeader {
  /** Without slashes at the ends, and without empty parts. */
  readonly path: string;
  readonly kind: 'directory' | 'file' | 'symlink';
  readonly mode: number;
  /** Where a link points to. */
  readonly target?: string;
  /** 0:0 unless told. */
  readonly owner?: TarOwner;
  /** Whether the name of a directory is written with a slash at its end, which it is unless told. */
  readonly slash?: boolean;
  /** Seconds since 1970; 0 unless told. */
  readonly mtime?: number;
  /** Further records of its PAX header, such as extended attributes. */
  readonly records?: Readonly<Record<string, string>>;
  /** How the characters of `path` and `target` are bytes: UTF-8 unless told; `latin1` takes any bytes, one a character. */
  readonly encoding?: 'utf8' | 'latin1';
}

/** A member with its content. */
export interface TarMember extends TarMemberHeader {
  /** Of a file; nothing unless told. */
  readonly content?: string;
}

/** A tar is a sequence of blocks of this many bytes. */
const BLOCK = 512;
/** Two empty blocks end a tar. */
export const END_OF_TAR = Buffer.alloc(2 * BLOCK);
/** So much of a tar is handed on at a time, in bytes. */
const CHUNK = 256 * 1024;

/** The tar of members, in chunks; no more of it is made than is read. */
export async function* tarOf(members: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void> {
  let blocks: Buffer[] = [];
  let size = 0;
  for await (const block of members) {
    blocks.push(block);
    size += block.length;
    if (size < CHUNK) continue;
    yield Buffer.concat(blocks, size);
    blocks = [];
    size = 0;
  }
  yield Buffer.concat([...blocks, END_OF_TAR]);
}

const MAX_NAME = 100;
const MAX_PREFIX = 155;
/** Eleven octal digits. */
const MAX_SIZE = 8 ** 11 - 1;
/** Six octal digits. */
const MAX_ID = 8 ** 6 - 1;
// eslint-disable-next-line no-control-regex -- all of ASCII
const ASCII = /^[\0-\x7f]*$/;
/** Stands in the header for what a PAX record says. */
const IN_PAX = 'PaxHeader';
const TYPE_FLAGS = { file: '0', symlink: '2', directory: '5', pax: 'x' } as const;
/** Where the fields of a header begin. */
const AT = {
  name: 0,
  mode: 100,
  uid: 108,
  gid: 116,
  size: 124,
  mtime: 136,
  checksum: 148,
  type: 156,
  linkname: 157,
  magic: 257,
  uname: 265,
  gname: 297,
  deviceMajor: 329,
  deviceMinor: 337,
  prefix: 345,
} as const;
/** Octal digits of the numbers in a header. */
const DIGITS = { mode: 6, owner: 6, size: 11, mtime: 11, checksum: 6, device: 6 } as const;

/** What all headers have in common. */
const BLANK = blankHeader();
const BLANK_SUM = BLANK.reduce((sum, byte) => sum + byte, 0);

interface Header {
  readonly name: string;
  readonly prefix?: string;
  readonly type: keyof typeof TYPE_FLAGS;
  readonly mode: number;
  readonly size: number;
  readonly mtime: number;
  readonly linkname: string;
  readonly owner: TarOwner | undefined;
}

/**
 * The blocks of a member: those of {@link encodeHeader}, then the content, padded. The bytes are those of tar-stream's `pack`:
 * digests of layers depend on each of them.
 */
export function encodeMember(member: TarMember): readonly Buffer[] {
  const data = Buffer.from(member.content ?? '');
  return [...encodeHeader(member, data.length), ...padded(data)];
}

/**
 * The blocks before a member's content, which has `size` bytes: a ustar header, before it a PAX header where a name is too long
 * for that or not ASCII, or the size too large. Format: POSIX.1-2017 pax, "ustar Interchange Format" and "pax Extended Header".
 */
export function encodeHeader(member: TarMemberHeader, size: number): readonly Buffer[] {
  const { path, kind, mode, target = '', owner, slash = true } = member;
  const { mtime = 0, records: further, encoding = 'utf8' } = member;
  const name = kind === 'directory' && slash ? `${path}/` : path;
  const common = { type: kind, mode, owner, mtime, size: size > MAX_SIZE ? 0 : size };
  const inHeader =
    further === undefined && size <= MAX_SIZE && Buffer.byteLength(target, encoding) <= MAX_NAME;
  const split = inHeader ? splitName(name) : undefined;
  if (split !== undefined) return [header({ ...common, ...split, linkname: rawName(target, encoding) })];
  const named = {
    path: name,
    ...(target === '' ? {} : { linkpath: target }),
    ...(size > MAX_SIZE ? { size: String(size) } : {}),
    ...further,
  };
  const records = Buffer.from(
    Object.entries(named)
      .map(([key, value]) => paxRecord(key, value, encoding))
      .join(''),
    encoding,
  );
  const linkname = target === '' ? '' : IN_PAX;
  return [
    header({ ...common, name: IN_PAX, type: 'pax', size: records.length, linkname }),
    ...padded(records),
    header({ ...common, name: IN_PAX, linkname }),
  ];
}

/** What follows `size` bytes of content, so that the next header begins with a block. */
export function paddingOf(size: number): Buffer {
  const rest = size % BLOCK;
  return END_OF_TAR.subarray(0, rest === 0 ? 0 : BLOCK - rest);
}

/** Divides a name at the first slash that leaves no more than the header has room for; undefined where it does not fit. */
function splitName(name: string): { readonly name: string; readonly prefix?: string } | undefined {
  if (!ASCII.test(name)) return undefined;
  if (name.length <= MAX_NAME) return { name };
  const slash = name.indexOf('/', name.length - MAX_NAME - 1);
  if (slash < 0 || slash > MAX_PREFIX) return undefined;
  return { name: name.slice(slash + 1), prefix: name.slice(0, slash) };
}

function header({ name, prefix = '', type, mode, size, mtime, linkname, owner }: Header): Buffer {
  const block = Buffer.from(BLANK);
  const sum =
    BLANK_SUM +
    (owner === undefined ? 0 : putOwner(block, owner)) +
    put(block, AT.name, name) +
    put(block, AT.mode, octal(mode, DIGITS.mode)) +
    put(block, AT.size, octal(size, DIGITS.size)) +
    put(block, AT.mtime, octal(mtime, DIGITS.mtime)) +
    put(block, AT.type, TYPE_FLAGS[type]) +
    put(block, AT.linkname, linkname) +
    put(block, AT.prefix, prefix);
  put(block, AT.checksum, `${octal(sum, DIGITS.checksum)}\0`);
  return block;
}

function putOwner(block: Buffer, { uid, gid, uname = '', gname = '' }: TarOwner): number {
  return (
    put(block, AT.uid, octal(Math.min(uid, MAX_ID), DIGITS.owner)) +
    put(block, AT.gid, octal(Math.min(gid, MAX_ID), DIGITS.owner)) +
    put(block, AT.uname, uname) +
    put(block, AT.gname, gname)
  );
}

/** Writes text, one byte a character; returns by how much that changes the sum of the block's bytes. */
function put(block: Buffer, at: number, text: string): number {
  let sum = 0;
  for (let i = 0; i < text.length; i++) {
    const byte = text.charCodeAt(i);
    sum += byte - (block[at + i] ?? 0);
    block[at + i] = byte;
  }
  return sum;
}

function blankHeader(): Buffer {
  const block = Buffer.alloc(BLOCK);
  put(block, AT.uid, octal(0, DIGITS.owner));
  put(block, AT.gid, octal(0, DIGITS.owner));
  put(block, AT.magic, 'ustar\x0000');
  put(block, AT.deviceMajor, octal(0, DIGITS.device));
  put(block, AT.deviceMinor, octal(0, DIGITS.device));
  // The checksum is that of a header with blanks in its own place.
  return block.fill(' ', AT.checksum, AT.type);
}

function octal(value: number, digits: number): string {
  return `${value.toString(8).padStart(digits, '0')} `;
}

/** A name as the bytes of a header, one character each. */
function rawName(name: string, encoding: 'utf8' | 'latin1'): string {
  return encoding === 'latin1' ? name : Buffer.from(name).toString('latin1');
}

function padded(data: Buffer): readonly Buffer[] {
  return data.length === 0 ? [] : [data, paddingOf(data.length)].filter(({ length }) => length > 0);
}

/** `<length> <key>=<value>\n`, where the length counts its own digits too. */
function paxRecord(key: string, value: string, encoding: 'utf8' | 'latin1'): string {
  const record = ` ${key}=${value}\n`;
  const bytes = Buffer.byteLength(record, encoding);
  let length = bytes;
  while (length !== bytes + String(length).length) length = bytes + String(length).length;
  return `${length}${record}`;
}
