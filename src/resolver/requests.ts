import type { IncomingMessage, ServerResponse } from 'node:http';

/** A request to the resolver that has ended. */
export interface ResolverRequest {
  readonly kind: 'manifest' | 'blob' | 'other';
  /** The status of the answer, or `aborted` where the client or the resolver broke it off. */
  readonly code: string;
}

/** Tells of a request when it has ended, as it is: answered in full, or broken off. */
export function tellEnd(
  { url = '' }: Pick<IncomingMessage, 'url'>,
  response: ServerResponse,
  observe: (request: ResolverRequest) => void,
): void {
  const kind = url.includes('/manifests/') ? 'manifest' : url.includes('/blobs/') ? 'blob' : 'other';
  response.once('close', () => {
    observe({ kind, code: response.writableFinished ? String(response.statusCode) : 'aborted' });
  });
}
