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
