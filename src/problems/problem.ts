import { StatusError } from '../errors.ts';
import { type FactsOf, type ProblemId, PROBLEMS } from './definitions.ts';

/** Longest fact, in characters: a store path has 255 at most; an event of Kubernetes has room for 1024 in all. */
const MAX_FACT = 300;

/** An error that has a section of its own in `docs/troubleshooting.md`. */
export class ProblemError extends StatusError {
  readonly problem: ProblemId;

  constructor(problem: ProblemId, message: string, options?: { cause?: unknown }) {
    super(PROBLEMS[problem].code, message, options);
    this.problem = problem;
  }
}

/**
 * The error of a known problem: its sentence, then its section and what else is known.
 *
 * @param details untrusted text without secrets; shown after the sentence.
 */
export function problemError<Id extends ProblemId>(
  id: Id,
  facts: FactsOf<Id>,
  { details = '', cause }: { readonly details?: string; readonly cause?: unknown } = {},
): ProblemError {
  return new ProblemError(id, problemText(id, facts, details), cause === undefined ? {} : { cause });
}

/** The text of {@link problemError}: the sentence is one line and has nothing that clients escape, whatever the facts hold. */
export function problemText<Id extends ProblemId>(id: Id, facts: FactsOf<Id>, details = ''): string {
  const known = new Map(Object.entries<string>(facts));
  const sentence = PROBLEMS[id].sentence.replaceAll(/\{(\w+)\}/g, (_, name: string) =>
    plain(known.get(name) ?? ''),
  );
  return `${sentence} [troubleshooting: ${id}${details === '' ? '' : `; ${details}`}]`;
}

/** What to do about a problem, where the sentence is not fit to be said. */
export function nextStepOf(id: ProblemId): string {
  const { sentence } = PROBLEMS[id];
  return sentence.slice(sentence.indexOf('; ') + 2);
}

function plain(fact: string): string {
  const text = fact
    .replaceAll(/[\p{Cc}\p{Zl}\p{Zp}\s]+/gu, ' ')
    .replaceAll(/["\\]/g, "'")
    .trim();
  return text.length <= MAX_FACT ? text : `${text.slice(0, MAX_FACT)} …`;
}
