import { RE2JS } from 're2js';
import { messageOf, StatusError } from '../errors.ts';

/** Limits of one expression. */
export interface ExpressionLimits {
  /** Characters. */
  readonly length: number;
  /** Sum of the numbers in its `{n,m}`: what it is repeated is compiled as often. */
  readonly repetitions: number;
  /** Instructions that it is compiled to; a character is about one. */
  readonly instructions: number;
}

/** Of an expression that whoever wrote the image chose. */
export const EXPRESSION_LIMITS: ExpressionLimits = { length: 1000, repetitions: 250, instructions: 2000 };

/** @returns what is too large of an expression, known before it is compiled; undefined when nothing is. */
export function tooLarge(text: string, limits = EXPRESSION_LIMITS): string | undefined {
  const { length, repetitions } = limits;
  if (text.length > length) return `has ${text.length} characters: ${length} is the limit`;
  const times = [...text.matchAll(/\{(\d+)(?:,(\d*))?\}/g)].reduce(
    (sum, [, least, most]) => sum + Math.max(Number(least), Number(most ?? 0)),
    0,
  );
  if (times > repetitions) return `repeats by {n} ${times} times: ${repetitions} in all is the limit`;
  return undefined;
}

/**
 * Compiles Go's expressions, which are linear in time, each once.
 *
 * @param where names in messages what they are for.
 * @param turn is awaited before each.
 * @param limits those for images unless told.
 * @returns the expression of each text.
 * @throws StatusError InvalidArgument naming the expression that is none, or is too large; what `turn` fails with.
 */
export async function compileExpressions(
  texts: readonly string[],
  where: string,
  turn: () => Promise<void> = () => Promise.resolve(),
  limits = EXPRESSION_LIMITS,
): Promise<ReadonlyMap<string, RE2JS>> {
  const compiled = new Map<string, RE2JS>();
  for (const text of texts) {
    if (compiled.has(text)) continue;
    await turn();
    compiled.set(text, compile(text, where, limits));
  }
  return compiled;
}

function compile(text: string, where: string, limits: ExpressionLimits): RE2JS {
  const wrong = (what: string, cause?: unknown): StatusError =>
    new StatusError('InvalidArgument', `${where}: ${JSON.stringify(text.slice(0, 300))} ${what}`, { cause });
  const large = tooLarge(text, limits);
  if (large !== undefined) throw wrong(large);
  let expression: RE2JS;
  try {
    expression = RE2JS.compile(text);
  } catch (cause) {
    throw wrong(`is no regular expression: ${messageOf(cause)}`, cause);
  }
  const { instructions } = limits;
  const size = expression.programSize();
  if (size > instructions) throw wrong(`is compiled to ${size} instructions: ${instructions} is the limit`);
  return expression;
}
