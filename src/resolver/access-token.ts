import { randomBytes, timingSafeEqual } from 'node:crypto';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { errnoOf, messageOf, StatusError } from '../errors.ts';

const TOKEN = /^[0-9a-f]{64}$/;

/**
 * Reads the token that clients of the resolver show; makes one (mode 0600) where there is none.
 *
 * @throws StatusError FailedPrecondition naming the file when it cannot be read or written, or holds something else.
 */
export async function loadAccessToken(file: string): Promise<string> {
  try {
    const found = (await readFile(file, 'utf8')).trim();
    if (TOKEN.test(found)) return found;
    throw new StatusError('FailedPrecondition', `${file}: not a token; remove it and restart the daemon`);
  } catch (error) {
    if (error instanceof StatusError) throw error;
    if (errnoOf(error) !== 'ENOENT') throw unusable(file, error);
  }
  const token = randomBytes(32).toString('hex');
  try {
    await writeFile(`${file}.new`, `${token}\n`, { mode: 0o600 });
    await rename(`${file}.new`, file);
  } catch (error) {
    throw unusable(file, error);
  }
  return token;
}

/** Whether a request's Authorization header shows the token: as a bearer, or as the password of any user. */
export function showsToken(header: string | undefined, token: string): boolean {
  const [scheme = '', value = ''] = (header ?? '').split(' ', 2);
  if (/^bearer$/i.test(scheme)) return isSame(value, token);
  if (!/^basic$/i.test(scheme)) return false;
  const text = Buffer.from(value, 'base64').toString('utf8');
  return isSame(text.slice(text.indexOf(':') + 1), token);
}

function isSame(shown: string, token: string): boolean {
  const [one, other] = [Buffer.from(shown), Buffer.from(token)];
  return one.length === other.length && timingSafeEqual(one, other);
}

function unusable(file: string, cause: unknown): StatusError {
  return new StatusError('FailedPrecondition', `${file}: the token of the resolver: ${messageOf(cause)}`, {
    cause,
  });
}
