import { errnoOf, messageOf, StatusError } from '../errors.ts';

/** A write that failed, as ResourceExhausted with the next step (no space, inodes or quota left) or Internal. */
export function diskError(what: string, error: unknown): StatusError {
  const full = errnoOf(error) === 'ENOSPC' || errnoOf(error) === 'EDQUOT';
  return new StatusError(
    full ? 'ResourceExhausted' : 'Internal',
    `${what}: ${messageOf(error)}${full ? '; free space (or inodes) there and try again' : ''}`,
    { cause: error },
  );
}
