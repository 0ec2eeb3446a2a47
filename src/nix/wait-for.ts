import { StatusError } from '../errors.ts';

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
