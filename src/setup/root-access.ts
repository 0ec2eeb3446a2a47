import { access, constants } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errnoOf, StatusError } from '../errors.ts';

/** Whether this process may use a daemon's root, or make it where it is not there yet. */
export async function mayUseRoot(root: string): Promise<boolean> {
  try {
    await access(root, constants.R_OK | constants.W_OK | constants.X_OK);
    return true;
  } catch (error) {
    const errno = errnoOf(error) ?? '';
    if (['EACCES', 'EPERM'].includes(errno)) return false;
    // What else is wrong there is told where it is used.
    return errno !== 'ENOENT' || root === '/' || (await mayUseRoot(dirname(root)));
  }
}

/** What a user is told whose daemon it is not: token and record of setup are in its root. */
export function notYourDaemon(root: string): StatusError {
  return new StatusError(
    'PermissionDenied',
    `root ${root} of the daemon is not this user's to read and write: this daemon is another user's, most often root's; run setup as ` +
      'that user, give --config of a daemon of your own, or see what setup would write with --print',
  );
}
