import { createHash } from 'node:crypto';
import { STORE_DIR, type StorePath } from '../../closure/store-path.ts';

/** Nix's base-32 digits. */
const DIGITS = '0123456789abcdfghijklmnpqrsvwxyz';
const HASH_BYTES = 20;

/**
 * The store path of a text that refers to other paths, as {@link addTextToStore} makes it. Source: Nix manual, "Complete Store
 * Path Calculation" (`text:<references>`).
 *
 * @param references sorted, each once; the text does not refer to itself.
 */
export function textPath(name: string, content: string, references: readonly StorePath[]): StorePath {
  const digest = createHash('sha256').update(content).digest('hex');
  const type = ['text', ...references].join(':');
  const fingerprint = `${type}:sha256:${digest}:${STORE_DIR}:${name}`;
  const hash = folded(createHash('sha256').update(fingerprint).digest());
  return `${STORE_DIR}/${base32(hash)}-${name}` as StorePath;
}

/** The hash in 20 bytes: what is beyond them is exclusive-ored onto the first. */
function folded(hash: Buffer): Buffer {
  const short = Buffer.alloc(HASH_BYTES);
  for (const [at, byte] of hash.entries()) short[at % HASH_BYTES] = (short[at % HASH_BYTES] ?? 0) ^ byte;
  return short;
}

/** 5 bits a digit, the last ones first: nix `src/libutil/base-nix-32.cc`. */
function base32(hash: Buffer): string {
  let number = hash.toReversed().reduce((sum, byte) => sum * 256n + BigInt(byte), 0n);
  let digits = '';
  for (let left = (hash.length * 8) / 5; left > 0; left -= 1) {
    digits = DIGITS.charAt(Number(number % 32n)) + digits;
    number /= 32n;
  }
  return digits;
}
