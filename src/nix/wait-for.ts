import { StatusError } from '../errors.ts';

/** One deadline for several waits, one after another: each call tells what is left of it. */
export type SharedDeadline = () => { readonly signal: AbortSignal; readonly deadlineMs: number };

/** @param signal the caller has gone. */
export function sharedDeadline(signal: AbortSignal, deadlineMs: number): SharedDeadline {
  const until = performance.now() + deadlineMs;
  return () => ({ signal, deadlineMs: Math.max(0, until - performance.now()) });
}

/**
 * Waits for `work` until the caller goes or its time is over; `work` goes on either way.
 *
 * @param describe what is waited for, and how far it is.
 * @throws StatusError Cancelled (`signal`), DeadlineExceeded (`deadlineMs`), or what `work` raises.
 */
export async function waitFor<T>(
  work: Promise<T>,
  { signal, deadlineMs }: { readonly signal?: AbortSignal | undefined; readonly deadlineMs?: number },
  describe: () => string,
): Promise<T> {
  const { promise: stopped, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(new StatusError('Cancelled', `${describe()}: the caller has gone`));
  const timer =
    deadlineMs === undefined
      ? undefined
      : setTimeout(
          () => reject(new StatusError('DeadlineExceeded', `${describe()}: deadline exceeded`)),
          deadlineMs,
        );
  signal?.addEventListener('abort', onAbort, { once: true });
  if (signal?.aborted === true) onAbort();
  try {
    return await Promise.race([work, stopped]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
  }
}
