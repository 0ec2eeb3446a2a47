import { StatusError } from '../errors.ts';
import type { ImageLease } from '../store-image/image-cache.ts';

/** containerd 2.3 and newer give up a request whose answer does not begin within 30 s (`core/remotes/docker`, registry.go). */
export const TURN_MS = 25_000;
/** So many redirects are followed by clients in Go, which count the first request too (`net/http`, Client.CheckRedirect). */
const REDIRECTS = 9;
/** How long a wait is held on to for the client's next request, in milliseconds. */
const HANDOVER_MS = 5000;
/** How long after its deadline a wait is let tell itself what was not finished, in milliseconds. */
const LAST_WORD_MS = 1000;
/** Counts the redirects of a request, in its query: each of them stands for a turn that has been waited. */
const COUNTER = 'turn';

/** A client that has to ask again, where it is sent. */
export interface NextTurn {
  readonly location: string;
}

export interface TurnTimes {
  /** How long a client waits for the beginning of an answer, in milliseconds. */
  readonly turnMs: number;
  /** How long it waits in all its turns, in milliseconds. */
  readonly deadlineMs: number;
}

/**
 * Waits for an image as long as a client waits for the beginning of an answer, then sends the client to ask again: what it waits
 * for goes on meanwhile, and keeps its place. All turns together last no longer than the deadline.
 *
 * @param url of the request.
 * @param gone the client has gone.
 * @param resolve is told how long it may wait, in milliseconds, and raises DeadlineExceeded after it.
 * @throws StatusError what `resolve` raises.
 */
export async function inTurn(
  url: string,
  gone: AbortSignal,
  resolve: (signal: AbortSignal, deadlineMs: number) => Promise<ImageLease>,
  { turnMs, deadlineMs }: TurnTimes,
): Promise<ImageLease | NextTurn> {
  const { turn, location } = turnOf(url);
  const remainingMs = Math.max(0, deadlineMs - turn * turnMs);
  const isLast = turn >= REDIRECTS || remainingMs <= turnMs;
  const leftMs = isLast ? Math.min(remainingMs, turnMs) : remainingMs;
  const left = new AbortController();
  const leave = (): void => left.abort();
  gone.addEventListener('abort', leave, { once: true });
  if (gone.aborted) leave();
  const work = resolve(left.signal, leftMs);
  const { promise: over, resolve: end } = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => end(undefined), isLast ? leftMs + LAST_WORD_MS : turnMs);
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
  if (!isLast) return { location };
  const { pathname } = new URL(url, 'http://localhost');
  throw new StatusError('DeadlineExceeded', `${pathname}: is not ready; a retry joins it: deadline exceeded`);
}

/** How often a request was sent on, and where it is sent next; a count that is none stands for the last turn. */
function turnOf(url: string): { readonly turn: number; readonly location: string } {
  const next = new URL(url, 'http://localhost');
  const counted = Number(next.searchParams.get(COUNTER) ?? 0);
  const turn = Number.isInteger(counted) && counted >= 0 ? Math.min(counted, REDIRECTS) : REDIRECTS;
  next.searchParams.set(COUNTER, String(turn + 1));
  return { turn, location: `${next.pathname}${next.search}` };
}
