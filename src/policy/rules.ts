import { type StorePath, storePathName } from '../closure/store-path.ts';
import { matchesAny } from './glob.ts';
import { spellings } from './image-name.ts';

/** One rule of the configuration; it matches where all its conditions do. */
export interface Rule {
  /** What refusals call it. */
  readonly name: string;
  readonly action: 'allow' | 'deny';
  /** Patterns of image references: see {@link spellings}. */
  readonly image?: readonly string[] | undefined;
  /**
   * Patterns of store paths' names (`<hash>-<name>`): a rule that denies matches when any path of the closure does, one that allows
   * only when each does.
   */
  readonly path?: readonly string[] | undefined;
  /** NAR bytes of the closure; the rule matches when it has more. */
  readonly largerThan?: number | undefined;
}

/** What is known of what is asked for. */
export interface Facts {
  /**
   * The image's canonical reference. `unknown` makes each rule that asks for it refuse: one that denies matches, one that allows does
   * not. With `skipped` such rules are left out.
   */
  readonly image: { readonly reference: string } | 'unknown' | 'skipped';
  /** Store paths that are known to belong to it. */
  readonly paths: readonly StorePath[];
  /** NAR bytes of those whose size is known. */
  readonly bytes: number;
  /** Whether paths and bytes are all there are. */
  readonly complete: boolean;
}

/** What made a rule match. */
export interface Match {
  readonly rule: Rule;
  /** A path that a rule's pattern matches. */
  readonly path?: StorePath | undefined;
}

export type Verdict =
  | { readonly kind: 'allow'; readonly rule: Rule | undefined }
  | { readonly kind: 'deny'; readonly match: Match | undefined }
  /** More facts decide. */
  | { readonly kind: 'undecided' };

/** Undefined: more facts decide. */
type Answer = boolean | undefined;

/**
 * What the rules say: the first that matches, else `otherwise`. Facts that are not complete decide only what no further fact can
 * change.
 */
export function evaluate(rules: readonly Rule[], otherwise: Rule['action'], facts: Facts): Verdict {
  for (const rule of rules) {
    const answers = [imageMatches(rule, facts), pathsMatch(rule, facts), isLarger(rule, facts)];
    if (answers.includes(false)) continue;
    if (answers.includes(undefined)) return { kind: 'undecided' };
    if (rule.action === 'allow') return { kind: 'allow', rule };
    return { kind: 'deny', match: { rule, path: matchedPath(rule, facts) } };
  }
  return otherwise === 'allow' ? { kind: 'allow', rule: undefined } : { kind: 'deny', match: undefined };
}

function imageMatches({ action, image: patterns }: Rule, { image }: Facts): Answer {
  if (patterns === undefined) return true;
  if (image === 'skipped') return false;
  if (image === 'unknown') return action === 'deny';
  return matchesAny(patterns, spellings(image.reference));
}

function pathsMatch(rule: Rule, facts: Facts): Answer {
  const { path: patterns, action } = rule;
  if (patterns === undefined) return true;
  if (action === 'deny')
    return matchedPath(rule, facts) !== undefined || (facts.complete ? false : undefined);
  if (!facts.paths.every((path) => matchesAny(patterns, [storePathName(path)]))) return false;
  return facts.complete ? true : undefined;
}

function isLarger({ largerThan }: Rule, { bytes, complete }: Facts): Answer {
  if (largerThan === undefined || bytes > largerThan) return true;
  return complete ? false : undefined;
}

function matchedPath({ path: patterns }: Rule, { paths }: Facts): StorePath | undefined {
  if (patterns === undefined) return undefined;
  return paths.find((path) => matchesAny(patterns, [storePathName(path)]));
}
