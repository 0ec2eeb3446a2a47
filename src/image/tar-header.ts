/** What one 512-byte tar header says. Sizes in bytes. */
export interface TarHeader {
  readonly name: string;
  /** The type flag; NUL is the oldest sign for a file. */
  readonly type: string;
  readonly size: number;
  readonly linkName: string;
  /** Permission bits; undefined, as the owner, when it is no number. */
  readonly mode: number | undefined;
  readonly uid: number | undefined;
  readonly gid: number | undefined;
  /** True for a device 0:0. */
  readonly isNullDevice: boolean;
}

const BLOCK = 512;
/** The name's first part is shorter in the format of `star`, which has times behind it. Source: star(5). */
const PREFIX = { ustar: 155, star: 131 } as const;

/**
 * Decodes a ustar, star, GNU or old header, as Go's archive/tar does: what unpacks a layer must find in it what was checked.
 *
 * @returns `'end'` for a block of zeros, undefined when the checksum or a number is wrong.
 */
export function decodeTarHeader(block: Buffer): TarHeader | 'end' | undefined {
  if (block.length !== BLOCK) return undefined;
  if (block.every((byte) => byte === 0)) return 'end';
  if (checksum(block) !== number(block, 148, 8)) return undefined;
  const size = number(block, 124, 12);
  if (size === undefined) return undefined;
  const ustar = block.toString('latin1', 257, 263) === 'ustar\0';
  const star = block.toString('latin1', 508, BLOCK) === 'tar\0';
  const prefix = ustar ? text(block, 345, star ? PREFIX.star : PREFIX.ustar) : '';
  const name = text(block, 0, 100);
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    type: String.fromCharCode(block[156] ?? 0),
    size,
    linkName: text(block, 157, 100),
    mode: number(block, 100, 8),
    uid: number(block, 108, 8),
    gid: number(block, 116, 8),
    isNullDevice: number(block, 329, 8) === 0 && number(block, 337, 8) === 0,
  };
}

/** The records of a PAX extended header; undefined when malformed (POSIX pax, "length keyword=value\n"). */
export function decodePax(bytes: Buffer): ReadonlyMap<string, string> | undefined {
  const records = new Map<string, string>();
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(0x20, at);
    if (space < 0) return undefined;
    const digits = bytes.toString('latin1', at, space);
    const length = /^[0-9]{1,10}$/.test(digits) ? Number(digits) : 0;
    const end = at + length;
    const equals = bytes.indexOf(0x3d, space);
    if (length === 0 || end > bytes.length || equals < 0 || equals >= end || bytes[end - 1] !== 0x0a)
      return undefined;
    records.set(bytes.toString('utf8', space + 1, equals), bytes.toString('utf8', equals + 1, end - 1));
    at = end;
  }
  return records;
}

function checksum(block: Buffer): number {
  let sum = 0;
  for (let i = 0; i < BLOCK; i++) sum += i >= 148 && i < 156 ? 0x20 : (block[i] ?? 0);
  return sum;
}

/** Octal text, or base-256 when the top bit is set; undefined when it is neither or too large to be exact. */
function number(block: Buffer, at: number, length: number): number | undefined {
  const first = block[at] ?? 0;
  if ((first & 0x80) !== 0) {
    let value = BigInt(first & 0x7f);
    for (let i = 1; i < length; i++) value = value * 256n + BigInt(block[at + i] ?? 0);
    return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : undefined;
  }
  const [digits = ''] = trimmed(block.toString('latin1', at, at + length)).split('\0', 1);
  if (digits === '') return 0;
  return /^[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : undefined;
}

/** Without blanks and NULs at its ends. */
function trimmed(field: string): string {
  let [start, end] = [0, field.length];
  while (start < end && ' \0'.includes(field.charAt(start))) start++;
  while (end > start && ' \0'.includes(field.charAt(end - 1))) end--;
  return field.slice(start, end);
}

function text(block: Buffer, at: number, length: number): string {
  const end = block.indexOf(0, at);
  return block.toString('utf8', at, end < 0 || end > at + length ? at + length : end);
}
