import { glob, readFile } from 'node:fs/promises';
import GithubSlugger from 'github-slugger';
import { marked, type MarkedToken, type Token, type Tokens } from 'marked';

/** A piece of code in a page: a block with its language, or a span in a sentence. */
interface Code {
  readonly kind: 'block' | 'span';
  readonly language: string;
  readonly text: string;
  /** Text of the heading that it is below. */
  readonly heading: string;
}

/** What of a page can be wrong. */
export interface Page {
  /** From the top of the project. */
  readonly path: string;
  readonly text: string;
  /** Fragments by which GitHub's links reach into the page. */
  readonly anchors: ReadonlySet<string>;
  /** Targets of links and pictures, as written. */
  readonly links: readonly string[];
  readonly code: readonly Code[];
}

const NOT_OURS = ['node_modules', '.testbed', 'dist', '.git', 'bench-results'];

/** Every page of the project. */
export async function pages(): Promise<readonly Page[]> {
  const exclude = (name: string): boolean => NOT_OURS.includes(name);
  const paths = (await Array.fromAsync(glob('**/*.md', { exclude }))).toSorted();
  return await Promise.all(paths.map(async (path) => parsePage(path, await readFile(path, 'utf8'))));
}

/** Reads a page as GitHub does. */
export function parsePage(path: string, text: string): Page {
  const anchors = new Set<string>();
  const links: string[] = [];
  const code: Code[] = [];
  const slugger = new GithubSlugger();
  let heading = '';
  void marked.walkTokens(marked.lexer(text, { gfm: true }), (any) => {
    // marked has a catch-all among its tokens, by which none is told from the others.
    const token = any as MarkedToken;
    if (token.type === 'heading') anchors.add(slugger.slug((heading = plainText(token))));
    if (token.type === 'link' || token.type === 'image') links.push(token.href);
    if (token.type === 'code')
      code.push({ kind: 'block', language: token.lang ?? '', text: token.text, heading });
    if (token.type === 'codespan') code.push({ kind: 'span', language: '', text: token.text, heading });
    if (token.type !== 'html') return;
    for (const [, name, value = ''] of token.text.matchAll(/\b(href|src|srcset|id|name)="([^"]*)"/g)) {
      if (name === 'id' || name === 'name') anchors.add(value);
      else links.push(value);
    }
  });
  return { path, text, anchors, links, code };
}

function plainText(token: Token): string {
  const { tokens } = token as Tokens.Generic;
  return tokens === undefined ? token.raw.replaceAll('`', '') : tokens.map(plainText).join('');
}
