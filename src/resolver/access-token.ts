import { randomBytes, randomUUID, timingSafeEqual } from 'node:crypto';
import { link, readFile, rm, writeFile } from 'node:fs/promises';
import { errnoOf, messageOf, StatusError } from '../errors.ts';

const TOKEN = /^[0-9a-f]{64}$/;

/**
 * Reads the token that clients of the resolver show; makes one (mode 0600) where there is none. Of several that make one at the
 * same time, the daemon and setup, all get the same.
 *
 * @throws StatusError FailedPrecondition naming the file when it cannot be read or written, or holds something else.
 */
export async function loadAccessToken(file: string): Promise<string> {
  try {
    const token = (await readToken(file)) ?? (await makeToken(file)) ?? (await readToken(file));
    if (token !== undefined) return token;
    throw new Error('somebody else makes and removes it; try again');
  } catch (error) {
    if (error instanceof StatusError) throw error;
    throw new StatusError('FailedPrecondition', `${file}: the token of the resolver: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

/** Undefined where there is no file. */
async function readToken(file: string): Promise<string | undefined> {
  let text: string;
  try {
    text = (await readFile(file, 'utf8')).trim();
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
  if (TOKEN.test(text)) return text;
  throw new StatusError('FailedPrecondition', `${file}: not a token; remove it and restart the daemon`);
}

/** Undefined where somebody else was faster. The file appears whole, after a loss of power too. */
async function makeToken(file: string): Promise<string | undefined> {
  const token = randomBytes(32).toString('hex');
  const draft = `${file}.${randomUUID()}`;
  try {
    await writeFile(draft, `${token}\n`, { mode: 0o600, flush: true });
    await link(draft, file);
    return token;
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return undefined;
    throw error;
  } finally {
    await rm(draft, { force: true });
  }
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
