import assert from 'node:assert/strict';
import { type ProblemId, PROBLEMS } from '../../../src/problems/definitions.ts';

/** What a reader of a message learns from it, by the names of the facts. */
export type Facts = Readonly<Record<string, string>>;

/**
 * Finds a problem's sentence in what a client printed, unbroken, with facts that are known and others that are not.
 *
 * @returns all facts, as they stand in the text.
 */
export function factsIn(text: string, problem: ProblemId, known: Facts): Facts {
  const named = new Set<string>();
  const parts = PROBLEMS[problem].sentence.split(/\{(\w+)\}/).map((part, at) => {
    if (at % 2 === 0) return RegExp.escape(part);
    if (named.has(part)) return `\\k<${part}>`;
    named.add(part);
    const value = known[part];
    return `(?<${part}>${value === undefined ? '[^\\n"]+?' : RegExp.escape(value)})`;
  });
  const found = new RegExp(`${parts.join('')} \\[troubleshooting: ${problem}[\\];]`).exec(text);
  assert.ok(found, `the sentence of ${problem} with ${JSON.stringify(known)} is not in: ${text}`);
  return { ...found.groups };
}
