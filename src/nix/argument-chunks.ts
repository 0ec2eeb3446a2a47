/** Bytes of arguments in one command line; Linux allows a quarter of the stack limit, 2 MiB as a rule. */
const MAX_BYTES = 512 * 1024;

/** Splits arguments so that each part fits on one command line, in order; no arguments give no part. */
export function argumentChunks<T extends string>(args: readonly T[], maxBytes = MAX_BYTES): readonly T[][] {
  const chunks: T[][] = [];
  let room = 0;
  for (const arg of args) {
    const size = Buffer.byteLength(arg) + 1;
    const last = chunks.at(-1);
    if (last === undefined || size > room) {
      chunks.push([arg]);
      room = maxBytes - size;
    } else {
      last.push(arg);
      room -= size;
    }
  }
  return chunks;
}
