import { readFile } from 'node:fs/promises';
import { marked } from 'marked';
import type { ProblemId } from '../../../src/problems/definitions.ts';
import { projectRoot } from '../../sandbox/layout.ts';

/** The commands that mend a problem: those of its section in `docs/troubleshooting.md`. */
export async function commandsOf(problem: ProblemId): Promise<string> {
  const page = await readFile(`${projectRoot}/docs/troubleshooting.md`, 'utf8');
  let section = '';
  for (const token of marked.lexer(page)) {
    if (token.type === 'heading' && token.depth === 2) section = token.text;
    if (token.type === 'code' && token.lang === 'sh' && section === problem) return token.text;
  }
  throw new Error(`docs/troubleshooting.md has no commands for ${problem}`);
}
