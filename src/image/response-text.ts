/**
 * The beginning of an answer's body as text; the rest is not waited for. A server may send without end.
 *
 * @param limit longest text that is read, in bytes.
 */
export async function responseText(response: Response, limit: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let left = limit;
  for await (const chunk of response.body ?? []) {
    chunks.push(chunk.subarray(0, left));
    left -= chunk.length;
    if (left <= 0) break;
  }
  return Buffer.concat(chunks).toString('utf8');
}

/**
 * An answer's whole body; undefined when it is longer than `limit` bytes, and then the rest is not waited for.
 */
export async function responseBytes(response: Response, limit: number): Promise<Buffer | undefined> {
  const chunks: Uint8Array[] = [];
  let left = limit;
  for await (const chunk of response.body ?? []) {
    chunks.push(chunk);
    left -= chunk.length;
    if (left < 0) return undefined;
  }
  return Buffer.concat(chunks);
}
