import type { NodeShell } from '../node-shell.ts';

/** Says how to look around in a node that is left running, and how to take it down. */
export function explainKept({ node, report }: NodeShell, commands: readonly string[]): void {
  const { id } = node;
  report.say('The node goes on running. A shell inside it:');
  report.verbatim([`npm run sandbox -- shell ${id}`]);
  report.say('Things to try there:');
  report.verbatim(commands);
  report.say('Take it down, with all that is in it:');
  report.verbatim([`npm run sandbox -- down ${id}`]);
}
