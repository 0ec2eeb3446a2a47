import type { ImageLease } from '../store-image/image-cache.ts';

/** containerd 2.3 and newer give up a request whose answer does not begin within 30 s (`core/remotes/docker`, registry.go). */
export const TURN_MS = 25_000;
/** So many redirects are followed by clients in Go, which count the first request too (`net/http`, Client.CheckRedirect). */
const REDIRECTS = 9;
/** How long a wait is held on to for the client's next request, in milliseconds. */
const HANDOVER_MS = 5000;
/** Counts the redirects of a request, in its query. */
const COUNTER = 'turn';

/** A client that has to ask again, where it is sent. */
export interface NextTurn {
  readonly location: string;
}

/**
 * Waits for an image as long as a client waits for the beginning of an answer, then sends the client to ask again: what it waits
 * for goes on meanwhile, and keeps its place. The last time it waits to the end.
 *
 * @param url of the request.
 * @param gone the client has gone.
 * @throws StatusError what `resolve` raises.
 */
export async function inTurn(
  url: string,
  gone: AbortSignal,
  resolve: (signal: AbortSignal) => Promise<ImageLease>,
  turnMs: number,
): Promise<ImageLease | NextTurn> {
  const left = new AbortController();
  const leave = (): void => left.abort();
  gone.addEventListener('abort', leave, { once: true });
  if (gone.aborted) leave();
  const work = resolve(left.signal);
  const location = nextTurn(url);
  if (location === undefined) return await work;
  const { promise: over, resolve: end } = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => end(undefined), turnMs);
  try {
    const lease = await Promise.race([work, over]);
    if (lease !== undefined) return lease;
  } finally {
    clearTimeout(timer);
  }
  gone.removeEventListener('abort', leave);
  const handover = setTimeout(leave, HANDOVER_MS);
  const settled = (): void => clearTimeout(handover);
  work
    .then(
      (lease) => lease[Symbol.dispose](),
      () => {},
    )
    .finally(settled);
  return { location };
}

/** Where a request is sent next; undefined when it was sent on as often as clients follow. */
function nextTurn(url: string): string | undefined {
  const next = new URL(url, 'http://localhost');
  const turn = Number(next.searchParams.get(COUNTER) ?? 0);
  if (!Number.isInteger(turn) || turn < 0 || turn >= REDIRECTS) return undefined;
  next.searchParams.set(COUNTER, String(turn + 1));
  return `${next.pathname}${next.search}`;
}
