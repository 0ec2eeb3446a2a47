import type { RealiseRecord } from './realise-log.ts';

/** What one substituter had to say, in words. */
export interface SubstituterAnswer {
  readonly substituter: string;
  readonly answer: string;
  /** It does not serve, so that nobody knows what it has. */
  readonly isOutage?: boolean;
}

const DOWNLOAD_FAILED = /unable to download '([^']*)':? ?(.*)/;
const GONE_FROM_CACHE = /file '[^']*' does not exist in binary cache '([^']*)'/;
const REFUSED_SIGNATURE = /not signed by any of the keys|lacks a (?:valid )?signature|no good signature/i;
const FROM_SUBSTITUTER = /from '([a-z0-9+-]+:\/[^']*)'/i;
const MAX_REASON = 200;

/** A download that failed: what, and why. */
export function failedDownload(
  message: string,
): { readonly url: string; readonly reason: string } | undefined {
  const [, url, reason = ''] = DOWNLOAD_FAILED.exec(message) ?? [];
  return url === undefined ? undefined : { url, reason: reason.slice(0, MAX_REASON) || 'download failed' };
}

/** The cache whose description of a path names an archive that it has not got. */
export function lostArchive(message: string): string | undefined {
  return GONE_FROM_CACHE.exec(message)?.[1];
}

export function refusesSignature(message: string): boolean {
  return REFUSED_SIGNATURE.test(message);
}

/** The substituter that a message of Nix blames. */
export function blamedIn(message: string): string | undefined {
  return FROM_SUBSTITUTER.exec(message)?.[1];
}

/** Each substituter that was asked, or could not be, with what is known of its answer. Credentials are hidden. */
export function substituterAnswers(record: RealiseRecord): readonly SubstituterAnswer[] {
  const answers = new Map<string, Omit<SubstituterAnswer, 'substituter'>>();
  for (const substituter of record.substituters) answers.set(substituter, { answer: 'has not got it' });
  for (const [url, status] of record.httpStatus) {
    if (status < 400 && status !== 0) continue;
    const answer = status === 0 ? 'cannot be reached' : `HTTP ${status}`;
    answers.set(ownerOf(url, answers.keys()), { answer, isOutage: isOutage(status) });
  }
  for (const message of record.messages) {
    const failed = failedDownload(message);
    if (failed !== undefined) {
      answers.set(ownerOf(failed.url, answers.keys()), { answer: failed.reason, isOutage: true });
    }
    const gone = lostArchive(message);
    if (gone !== undefined) {
      const answer = 'has the description but not the archive (nar)';
      answers.set(ownerOf(gone, answers.keys()), { answer });
    }
    const blamed = blamedIn(message);
    if (blamed !== undefined) {
      const how = refusesSignature(message) ? 'signed by no trusted key' : 'but not as it says';
      answers.set(ownerOf(blamed, answers.keys()), { answer: `has it, ${how}` });
    }
  }
  return [...answers].map(([substituter, answer]) => ({
    substituter: withoutCredentials(substituter),
    ...answer,
  }));
}

function isOutage(status: number): boolean {
  return status === 0 || status === 429 || status >= 500;
}

/** The known substituter that an address belongs to, else the address without what a cache adds to its own. */
export function ownerOf(url: string, known: Iterable<string>): string {
  for (const substituter of known) {
    const base = substituter.replace(/[?].*$/, '').replace(/\/$/, '');
    if (url === base || url.startsWith(`${base}/`)) return substituter;
  }
  return url.replace(/\/(?:nix-cache-info|[0-9a-z]{32}\.narinfo|nar\/.*)$/, '');
}

/** A substituter's address as errors may show it: without user, password and settings. */
export function withoutCredentials(address: string): string {
  return withoutPasswords(address).replace(/\?.*$/, '');
}

/** Nix repeats the addresses of caches with the user and password in them; whoever pulls reads our errors. */
export function withoutPasswords(text: string): string {
  // A password may hold quotes, and an @ that somebody has not escaped.
  return text.replaceAll(/([a-z][a-z0-9+.-]*:\/\/)[^/\s]*@/gi, '$1');
}
