import type { IncomingMessage, ServerResponse } from 'node:http';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { MEDIA } from '../image/descriptor.ts';
import type { ServedBlob } from '../store-image/served-image.ts';
import { type ByteRange, parseRange } from './byte-range.ts';

/** Answers a HEAD by a manifest that there is not: the GET of the digest tells why. */
export function sendPlaceholder(response: ServerResponse, digest: string, size: number): void {
  response.writeHead(200, {
    'Content-Type': MEDIA.ociManifest,
    'Content-Length': size,
    'Docker-Content-Digest': digest,
  });
  response.end();
}

/**
 * Answers with a blob, or the range of it that is asked for.
 *
 * @throws StatusError what opening it raises, before anything is said; DataLoss when its bytes turn out to be others.
 */
export async function sendBlob(
  request: IncomingMessage,
  response: ServerResponse,
  blob: ServedBlob,
  mediaType: string,
): Promise<void> {
  const { size } = blob.descriptor;
  const range = parseRange(request.headers.range, size);
  response.setHeader('Content-Type', mediaType);
  response.setHeader('Accept-Ranges', 'bytes');
  if (range === 'unsatisfiable') {
    response.writeHead(416, { 'Content-Range': `bytes */${size}` }).end();
    return;
  }
  // What cannot be opened is told as what it is; nothing has been said yet.
  const bytes = request.method === 'HEAD' ? undefined : await blob.open();
  response.setHeader('Content-Length', range === undefined ? size : range.end - range.start);
  if (range !== undefined)
    response.setHeader('Content-Range', `bytes ${range.start}-${range.end - 1}/${size}`);
  response.writeHead(range === undefined ? 200 : 206);
  if (bytes === undefined) {
    response.end();
    return;
  }
  try {
    if (range === undefined) await pipeline(bytes, response);
    else await pipeline(bytes, cut(range), response);
  } finally {
    // A pipeline into a response that was closed before leaves its source open.
    bytes.destroy();
  }
}

/** Lets through the bytes of a range. The rest is read all the same: so that the digest of the whole is checked. */
function cut({ start, end }: ByteRange): Transform {
  let at = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      const from = Math.max(0, start - at);
      const to = Math.min(chunk.length, end - at);
      at += chunk.length;
      done(null, from < to ? chunk.subarray(from, to) : undefined);
    },
  });
}

export function sendJson(
  response: ServerResponse,
  status: number,
  value: unknown,
  type = 'application/json',
): void {
  const body = Buffer.from(JSON.stringify(value));
  response.writeHead(status, { 'Content-Type': type, 'Content-Length': body.length });
  response.end(response.req.method === 'HEAD' ? undefined : body);
}
