import { type StatusCode, StatusError } from '../errors.ts';
import { cleanText } from './log-line.ts';
import type { RealiseRecord } from './realise-log.ts';

/** How a Nix process ended, or that a Nix daemon refused a request. */
export type NixExit =
  | { readonly exitCode: number | undefined; readonly signal: string | undefined }
  | 'refused by daemon';

/** What one substituter had to say, in words. */
export interface SubstituterAnswer {
  readonly substituter: string;
  readonly answer: string;
}

interface Verdict {
  readonly code: StatusCode;
  readonly cause: string;
  readonly nextStep: string;
}

const SHOWN_LINES = 5;

const DISK_FULL =
  /No space left on device|database or disk is full|Disk quota exceeded|not enough free disk space/i;
const BAD_SIGNATURE =
  /not signed by any of the keys|lacks a (?:valid )?signature|lacks a signature by a trusted key|no good signature/i;
const BAD_CONTENT = /hash mismatch|NAR hash .* does not match|is corrupt|bad archive/i;
const DAEMON_DOWN = /cannot connect to (?:daemon|socket)|cannot open connection to remote store|Nix daemon/i;
const DOWNLOAD_FAILED = /unable to download '([^']*)':? ?(.*)/;
const GONE_FROM_CACHE = /file '[^']*' does not exist in binary cache '([^']*)'/;
const FROM_SUBSTITUTER = /from '([a-z0-9+-]+:\/[^']*)'/i;
const ABSENT =
  /no substituter that can build it|don't know how to build|build of '[^']*' failed|does not exist|is not valid|could not be realised|cannot build missing derivation|failed to obtain derivation/i;
const NAMED_PATH = /ignoring substitute for '(\/[^']*)'|path '(\/[^']*)' is required/;

/**
 * Turns a failed realise into the error that the client of a pull reads. Codes: ResourceExhausted (disk full),
 * PermissionDenied (signature or credentials refused), Unavailable (a cache or the Nix daemon cannot be
 * reached), DataLoss (the cache's content is not what its signature says), FailedPrecondition (no substituter
 * has it), else Internal. Never NotFound: containerd's CRI plugin takes that for a lost snapshot and unpacks
 * the image again.
 *
 * The message begins with the path, then names each substituter with its answer and Nix's last lines. Passwords in
 * addresses are left out.
 */
export function realiseFailure(paths: readonly string[], exit: NixExit, record: RealiseRecord): StatusError {
  const answers = substituterAnswers(record);
  const verdict = judge(exit, record, answers);
  const failed = cleanText(failedPath(paths, record));
  const asking = paths.includes(failed) ? failed : (paths[0] ?? failed);
  const others = paths.length > 1 ? ` (of ${paths.length} paths)` : '';
  const dependency = asking === failed ? '' : ` (its dependency ${failed})`;
  const asked =
    answers.length === 0
      ? 'no substituter was asked'
      : `substituters: ${answers.map(({ substituter, answer }) => `${substituter}: ${answer}`).join(', ')}`;
  const lines = record.messages.slice(-SHOWN_LINES);
  const said = lines.length === 0 ? '' : `; Nix's last lines: ${lines.join(' | ')}`;
  return new StatusError(
    verdict.code,
    withoutPasswords(
      `realise ${asking}${others}: ${verdict.cause}${dependency}; ${asked}${said}; ${verdict.nextStep}`,
    ),
  );
}

/** A query (not a realise) that Nix refused: Internal, or what {@link realiseFailure} would say of the cause. */
export function nixFailure(what: string, exit: NixExit, record: RealiseRecord): StatusError {
  const verdict = judge(exit, record, []);
  const lines = record.messages.slice(-SHOWN_LINES).join(' | ');
  return new StatusError(
    verdict.code,
    withoutPasswords(`${what}: ${lines === '' ? verdict.cause : lines}; ${verdict.nextStep}`),
  );
}

/**
 * A build or an evaluation that failed: FailedPrecondition with Nix's last lines (those of the builder among them), or the code
 * that {@link realiseFailure} would give a full disk, or a cache or a Nix daemon that cannot be reached.
 *
 * @param what the derivation file or flake.
 */
export function buildFailure(what: string, exit: NixExit, record: RealiseRecord): StatusError {
  const verdict = judge(exit, record, []);
  const lines = record.messages.filter((message) => !message.startsWith('warning:')).slice(-SHOWN_LINES);
  const isItsOwn = verdict.code === 'Internal' || verdict.code === 'FailedPrecondition';
  const builder = record.builderLines.length === 0 ? [] : [`it printed: ${record.builderLines.join(' | ')}`];
  const said = [...(lines.length === 0 ? [describeExit(exit)] : lines), ...builder].join(' | ');
  return new StatusError(
    isItsOwn ? 'FailedPrecondition' : verdict.code,
    withoutPasswords(
      `build ${what}: ${said}; ${isItsOwn ? 'mend what Nix names and pull again' : verdict.nextStep}`,
    ),
  );
}

/** The error for a closure that a garbage collection took each time it was realised. */
export function collectedError(path: string, tries: number): StatusError {
  return new StatusError(
    'Unavailable',
    `realise ${path}: a garbage collection took it ${tries} times while it was being rooted; try again when the collection has ended`,
  );
}

/** Whether Nix says that no room is left. */
export function saysDiskFull(text: string): boolean {
  return DISK_FULL.test(text);
}

/** Derivation files that would have to be built, or cannot be rooted without building them. */
export function derivationRefused(paths: readonly string[]): StatusError {
  return new StatusError(
    'InvalidArgument',
    `realise ${paths[0] ?? '(no path)'}: ` +
      (paths.length === 0
        ? 'no store path is named: invalid argument'
        : 'a derivation file is never built here; name its outputs instead: invalid argument'),
  );
}

/** Each substituter that was asked, or could not be, with what is known of its answer. Credentials are hidden. */
export function substituterAnswers(record: RealiseRecord): readonly SubstituterAnswer[] {
  const answers = new Map<string, string>();
  for (const substituter of record.substituters) answers.set(substituter, 'has not got it');
  for (const [url, status] of record.httpStatus) {
    if (status >= 400 || status === 0) {
      answers.set(owner(url, answers), status === 0 ? 'cannot be reached' : `HTTP ${status}`);
    }
  }
  for (const message of record.messages) {
    const [, url, reason] = DOWNLOAD_FAILED.exec(message) ?? [];
    if (url !== undefined)
      answers.set(owner(url, answers), (reason ?? '').slice(0, 200) || 'download failed');
    const gone = GONE_FROM_CACHE.exec(message)?.[1];
    if (gone !== undefined)
      answers.set(owner(gone, answers), 'has the description but not the archive (nar)');
    const refused = BAD_SIGNATURE.test(message) ? FROM_SUBSTITUTER.exec(message)?.[1] : undefined;
    if (refused !== undefined) answers.set(owner(refused, answers), 'has it, signed by no trusted key');
  }
  return [...answers].map(([substituter, answer]) => ({
    substituter: withoutCredentials(substituter),
    answer,
  }));
}

function judge(exit: NixExit, record: RealiseRecord, answers: readonly SubstituterAnswer[]): Verdict {
  const text = record.messages.join('\n');
  const statuses = [...record.httpStatus.values()];
  if (DISK_FULL.test(text)) {
    return {
      code: 'ResourceExhausted',
      cause: 'the disk of the Nix store is full',
      nextStep: 'free space (nix-collect-garbage) and try again',
    };
  }
  if (BAD_SIGNATURE.test(text)) {
    return {
      code: 'PermissionDenied',
      cause: 'its signature is refused',
      nextStep: "add the cache's public key to trusted-public-keys in this host's nix.conf, or sign the path",
    };
  }
  if (BAD_CONTENT.test(text)) {
    return {
      code: 'DataLoss',
      cause: "the cache's content is damaged",
      nextStep: 'push the path to the cache again',
    };
  }
  if (DAEMON_DOWN.test(text)) {
    return {
      code: 'Unavailable',
      cause: 'the Nix daemon cannot be reached',
      nextStep: 'start nix-daemon on this host and try again',
    };
  }
  if (statuses.includes(401) || /HTTP error 401/.test(text)) {
    return {
      code: 'PermissionDenied',
      cause: 'a substituter asks for credentials',
      nextStep: "put them into the netrc-file of this host's nix.conf",
    };
  }
  if (DOWNLOAD_FAILED.test(text) || GONE_FROM_CACHE.test(text) || statuses.some(isOutage)) {
    return {
      code: 'Unavailable',
      cause: 'a substituter cannot be reached or fails',
      nextStep: 'try again when the substituter answers',
    };
  }
  if (record.unknownPaths.length > 0 || ABSENT.test(text)) {
    return {
      code: 'FailedPrecondition',
      cause: answers.length === 0 ? 'it is not in the store' : 'no substituter has it',
      nextStep:
        answers.length === 0
          ? "name a binary cache as substituter in this host's nix.conf, or copy the path to this host"
          : 'push the path to a substituter of this host and try again',
    };
  }
  return { code: 'Internal', cause: describeExit(exit), nextStep: 'see the lines of Nix' };
}

function describeExit(exit: NixExit): string {
  if (exit === 'refused by daemon') return 'the Nix daemon refused it';
  const how =
    exit.signal === undefined ? `exit status ${exit.exitCode ?? 'unknown'}` : `signal ${exit.signal}`;
  return `nix-store ended with ${how}`;
}

function isOutage(status: number): boolean {
  return status === 0 || status === 429 || status >= 500;
}

function failedPath(paths: readonly string[], record: RealiseRecord): string {
  const refused = record.messages.find((message) => BAD_SIGNATURE.test(message));
  const unsigned = refused === undefined ? undefined : NAMED_PATH.exec(refused)?.[1];
  if (unsigned !== undefined) return unsigned;
  const asked = new Set(paths);
  const unknown = record.unknownPaths.find((path) => asked.has(path)) ?? record.unknownPaths[0];
  if (unknown !== undefined) return unknown;
  for (const message of record.messages) {
    const named = NAMED_PATH.exec(message)?.[2];
    if (named !== undefined) return named;
    const inMessage = paths.find((path) => message.includes(path));
    if (inMessage !== undefined) return inMessage;
  }
  return paths[0] ?? '(no path)';
}

/** The known substituter that an address belongs to, else the address without what a cache adds to its own. */
function owner(url: string, known: ReadonlyMap<string, string>): string {
  for (const substituter of known.keys()) {
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
  return text.replaceAll(/([a-z][a-z0-9+.-]*:\/\/)[^/@\s'"]*@/gi, '$1');
}
