import type { Random } from './target.ts';

/** Bytes and texts that parsers treat apart. */
const SPECIAL = [
  '\0',
  '\n',
  '\r\n',
  ' ',
  '/',
  '//',
  '..',
  '.',
  ':',
  ',',
  ';',
  '"',
  "'",
  '\\',
  '{',
  '}',
  '[',
  ']',
  '=',
  '==',
  '~=',
  '!=',
  '@',
  '#',
  '%',
  '\u001b[2J',
  '\u0085',
  '\u2028',
  '\ud800',
  'é',
  '__proto__',
  'constructor',
  'null',
  '1e999',
  '-1',
  '0',
  '9007199254740993',
  '/nix/store/',
  '.wh.',
  'sha256:',
  '77777777777',
  '\u0080\u00ff\u00ff\u00ff',
  'ustar\0',
  '(a+)+$',
  '{1000}',
];
const MAX_BYTES = 64 * 1024;

/** The input with one to eight changes: bytes, special texts, pieces repeated, left out, moved, or taken from another input. */
export function mutate(random: Random, input: Buffer, other: Buffer): Buffer {
  let bytes = Buffer.from(input);
  for (let left = 1 + random.next(8); left > 0; left--) bytes = change(random, bytes, other);
  return bytes.subarray(0, MAX_BYTES);
}

function change(random: Random, bytes: Buffer<ArrayBuffer>, other: Buffer): Buffer<ArrayBuffer> {
  const at = random.next(bytes.length + 1);
  const length = random.next(Math.min(64, bytes.length - at) + 1);
  const [before, piece, after] = [
    bytes.subarray(0, at),
    bytes.subarray(at, at + length),
    bytes.subarray(at + length),
  ];
  switch (random.next(9)) {
    case 0:
      if (at < bytes.length) bytes[at] = random.next(256);
      return bytes;
    case 1:
      if (at < bytes.length) bytes[at] = (bytes[at] ?? 0) ^ (1 << random.next(8));
      return bytes;
    case 2:
      return Buffer.concat([before, after]);
    case 3:
      return Buffer.concat([before, piece, piece, after]);
    case 4:
      return Buffer.concat([before, ...Array.from({ length: random.next(300) }, () => piece), after]);
    case 5:
      return Buffer.concat([before, Buffer.from(random.pick(SPECIAL)), after]);
    case 6:
      return Buffer.concat([before, Buffer.from(random.pick(SPECIAL)), piece, after]);
    case 7: {
      const from = random.next(other.length + 1);
      return Buffer.concat([before, other.subarray(from, from + random.next(256)), after]);
    }
    default:
      return Buffer.from(bytes.subarray(0, at));
  }
}
