import { statSync } from 'node:fs';
import { StatusError } from '../errors.ts';
import { problemError } from '../problems/problem.ts';

/**
 * What keeps a client from a daemon, in place of grpc-js's words for it: PermissionDenied where this user may not open the socket,
 * FailedPrecondition where something else is at its path, else the problem `snapshotter-down`. Any error that is not of the connection is
 * returned as it is.
 */
export function whyDown(error: unknown, socket: string): unknown {
  if (!(error instanceof StatusError) || error.code !== 'Unavailable') return error;
  const reason = error.message
    .replace(/^.*Last error: /, '')
    .replace(/Resolution note:.*$/, '')
    .trim()
    .replace(/^Error: /, '')
    .replace(/ - Local \(.*?\)/, '')
    .replace(/\.$/, '');
  if (reason.includes('EACCES'))
    return new StatusError(
      'PermissionDenied',
      `this user may not open the socket of the daemon (${reason}); run this as the daemon's user, most often root`,
      { cause: error },
    );
  if (isSomethingElse(socket))
    return new StatusError(
      'FailedPrecondition',
      `${socket} is no socket; give that of the daemon by --address, or by address in its configuration`,
      { cause: error },
    );
  return problemError('snapshotter-down', { socket, reason }, { cause: error });
}

function isSomethingElse(path: string): boolean {
  try {
    return !statSync(path).isSocket();
  } catch {
    // What cannot be looked at is told by the connection.
    return false;
  }
}
