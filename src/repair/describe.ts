import type { RepairResponse } from '../../proto/gen/messages.ts';
import { cleanText } from '../printable.ts';

/** A repair as text for a person, ending in a newline. */
export function describeRepair(
  { actions, left, pull_again: pullAgain }: RepairResponse,
  dryRun: boolean,
): string {
  const lines = [
    ...actions.map(({ what, error }) => {
      if (dryRun) return entry('would', what);
      return error === '' ? entry('done', what) : entry('failed', `${what}: ${error}`);
    }),
    ...pullAgain.map((image) => entry('pull again', image)),
    ...left.map((sentence) => entry('left', sentence)),
  ];
  return `${lines.length === 0 ? 'nothing to repair' : lines.join('\n')}\n`;
}

/** Names of anybody are in it: what is shown has no terminal escapes, and one line. */
function entry(label: string, text: string): string {
  return `${label.padEnd(11)}${cleanText(text)}`;
}
