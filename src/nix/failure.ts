import { type StatusCode, StatusError } from '../errors.ts';
import { PROBLEMS } from '../problems/definitions.ts';
import { nextStepOf, problemError } from '../problems/problem.ts';
import { causeOf, type FailureCause } from './failure-cause.ts';
import { cleanText } from '../printable.ts';
import type { RealiseRecord } from './realise-log.ts';
import {
  type SubstituterAnswer,
  substituterAnswers,
  withoutCredentials,
  withoutPasswords,
} from './substituter-answers.ts';

/** How a Nix process ended, or that a Nix daemon refused a request. */
export type NixExit =
  | { readonly exitCode: number | undefined; readonly signal: string | undefined }
  | 'refused by daemon';

/** What was found out after a failure, for its text. */
export interface FailureFacts {
  /** The substituters of this host; undefined when nobody could say. */
  readonly configured?: readonly string[] | undefined;
  /** Names of the keys that signed the path in the cache that was refused; undefined when nobody could say. */
  readonly signers?: readonly string[] | undefined;
  /** Substituters that Nix did not ask, because it remembers an earlier answer. */
  readonly unasked?: readonly string[] | undefined;
}

const SHOWN_LINES = 5;

/**
 * Turns a failed realise into the error that the client of a pull reads: the sentence of its problem, then each substituter with
 * its answer and Nix's last lines. Codes: ResourceExhausted (disk full), PermissionDenied (signature or login refused),
 * Unavailable (a cache or the Nix daemon cannot be reached), DataLoss (the cache's content is not what its description says),
 * FailedPrecondition (no substituter has it, the store is read-only), else Internal. Never NotFound: containerd's CRI plugin takes
 * that for a lost snapshot and unpacks the image again. Passwords in addresses are left out.
 */
export function realiseFailure(
  paths: readonly string[],
  exit: NixExit,
  record: RealiseRecord,
  facts: FailureFacts = {},
): StatusError {
  const answers = substituterAnswers(record);
  const cause = causeOf(record, answers);
  const path = subjectOf(paths, failedPath(paths, record, cause));
  const asked = [...new Set([...answers.map(({ substituter }) => substituter), ...configuredOf(facts)])];
  const options = { details: withoutPasswords(detailsOf(record, answers)) };
  const cacheOr = (known: string | undefined): string =>
    known === undefined ? orList(asked) : withoutCredentials(known);
  switch (cause.kind) {
    case 'disk-full':
    case 'store-read-only':
      return problemError(cause.kind, { path, cache: orList(asked) }, options);
    case 'signature': {
      const cache = cacheOr(cause.cache);
      if (facts.signers?.length === 0) return problemError('unsigned', { path, cache }, options);
      const signers = facts.signers?.join(' and ') ?? 'unknown';
      return problemError('bad-signature', { path, cache, signers }, options);
    }
    case 'damaged-archive': {
      const damaged = cause.path ?? 'it or of what it needs';
      const reason = reasonOf(cause.reason);
      return problemError(cause.kind, { path, cache: cacheOr(cause.cache), damaged, reason }, options);
    }
    case 'nix-daemon-down':
      return problemError(
        cause.kind,
        { path, cache: orList(asked), reason: reasonOf(cause.reason) },
        options,
      );
    case 'login':
      return problemError(cause.kind, { path, cache: cause.caches.join(' and ') }, options);
    case 'cache-down': {
      const cache = cause.caches.join(' and ');
      return problemError(cause.kind, { path, cache, reason: reasonOf(cause.reason) }, options);
    }
    case 'absent': {
      const { unasked = [] } = facts;
      if (unasked.length > 0) {
        const cache = unasked.map(withoutCredentials).join(' and ');
        return problemError('stale-miss', { path, cache }, options);
      }
      if (asked.length === 0) return problemError('no-cache', { path }, options);
      const known = new Map(answers.map(({ substituter, answer }) => [substituter, answer]));
      const each = asked.map((cache) => `${cache}: ${known.get(cache) ?? 'has not got it'}`).join(', ');
      return problemError('absent', { path, answers: each }, options);
    }
    case 'unclear':
      return new StatusError(
        'Internal',
        withoutPasswords(
          `${path} cannot be fetched: ${describeExit(exit)}; ${detailsOf(record, answers)}; see the lines of Nix`,
        ),
      );
    default:
      return cause satisfies never;
  }
}

/** A query (not a realise) that Nix refused: Internal, or the code that {@link realiseFailure} gives the cause. */
export function nixFailure(what: string, exit: NixExit, record: RealiseRecord): StatusError {
  const lines = record.messages.slice(-SHOWN_LINES).join(' | ');
  const { code, nextStep } = verdictOf(record);
  return new StatusError(
    code,
    withoutPasswords(`${what}: ${lines === '' ? describeExit(exit) : lines}; ${nextStep}`),
  );
}

/**
 * A build or an evaluation that failed: FailedPrecondition with Nix's last lines (those of the builder among them), or the code
 * that {@link realiseFailure} would give a full disk, or a cache or a Nix daemon that cannot be reached.
 *
 * @param what the derivation file or flake.
 */
export function buildFailure(what: string, exit: NixExit, record: RealiseRecord): StatusError {
  const { code, nextStep } = verdictOf(record);
  const lines = record.messages.filter((message) => !message.startsWith('warning:')).slice(-SHOWN_LINES);
  const isItsOwn = code === 'Internal' || code === 'FailedPrecondition';
  const builder = record.builderLines.length === 0 ? [] : [`it printed: ${record.builderLines.join(' | ')}`];
  const said = [...(lines.length === 0 ? [describeExit(exit)] : lines), ...builder].join(' | ');
  return new StatusError(
    isItsOwn ? 'FailedPrecondition' : code,
    withoutPasswords(`build ${what}: ${said}; ${isItsOwn ? 'mend what Nix names and pull again' : nextStep}`),
  );
}

/** The error for a closure that a garbage collection took each time it was realised. */
export function collectedError(path: string, tries: number): StatusError {
  return new StatusError(
    'Unavailable',
    `realise ${path}: a garbage collection took it ${tries} times while it was being rooted; try again when the collection has ended`,
  );
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

/** The code and the next step of what Nix names as the cause. */
function verdictOf(record: RealiseRecord): { readonly code: StatusCode; readonly nextStep: string } {
  const { kind } = causeOf(record, substituterAnswers(record));
  if (kind === 'unclear') return { code: 'Internal', nextStep: 'see the lines of Nix' };
  const id = kind === 'signature' ? 'bad-signature' : kind;
  return { code: PROBLEMS[id].code, nextStep: nextStepOf(id) };
}

function describeExit(exit: NixExit): string {
  if (exit === 'refused by daemon') return 'the Nix daemon refused it';
  const how =
    exit.signal === undefined ? `exit status ${exit.exitCode ?? 'unknown'}` : `signal ${exit.signal}`;
  return `nix-store ended with ${how}`;
}

function detailsOf(record: RealiseRecord, answers: readonly SubstituterAnswer[]): string {
  const asked =
    answers.length === 0
      ? 'no substituter was asked'
      : `substituters: ${answers.map(({ substituter, answer }) => `${substituter}: ${answer}`).join(', ')}`;
  const lines = record.messages.slice(-SHOWN_LINES);
  return lines.length === 0 ? asked : `${asked}; Nix's last lines: ${lines.join(' | ')}`;
}

function configuredOf({ configured = [] }: FailureFacts): readonly string[] {
  return configured.map(withoutCredentials);
}

function orList(caches: readonly string[]): string {
  return caches.length === 0 ? 'any cache' : caches.join(' or ');
}

/** What was asked for, and which part of it fails. */
function subjectOf(paths: readonly string[], failed: string): string {
  const asked = paths.includes(failed) ? failed : (paths[0] ?? failed);
  const others = paths.length > 1 ? ` (of ${paths.length} paths)` : '';
  const dependency = asked === failed ? '' : ` (its dependency ${failed})`;
  return `${asked}${others}${dependency}`;
}

/** The path that Nix blames, else the first one. */
function failedPath(paths: readonly string[], record: RealiseRecord, cause: FailureCause): string {
  if ('path' in cause && cause.path !== undefined) return cleanText(cause.path);
  const asked = new Set(paths);
  const unknown = record.unknownPaths.find((path) => asked.has(path)) ?? record.unknownPaths[0];
  if (unknown !== undefined) return cleanText(unknown);
  for (const message of record.messages) {
    const required = REQUIRED.exec(message)?.[1];
    if (required !== undefined) return cleanText(required);
    const inMessage = paths.find((path) => message.includes(path));
    if (inMessage !== undefined) return inMessage;
  }
  return paths[0] ?? '(no path)';
}

const REQUIRED = /path '(\/[^']*)' is required/;

/** Without curl's repetition of it: `Could not connect to server (7) Failed to connect to …`. */
function reasonOf(reason: string): string {
  return withoutPasswords(reason).replace(/ \(\d+\) .*$/, '');
}
