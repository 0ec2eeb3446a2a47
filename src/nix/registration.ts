import { parseStorePath, type StorePath } from '../closure/store-path.ts';
import { StatusError } from '../errors.ts';
import type { ReferenceGraph } from './store.ts';

/** Lines of an entry before its references: path, NAR hash, NAR size, deriver, number of references. */
const HEAD = 5;

/**
 * Reads what `nix-store --dump-db` prints: for each path its name, NAR hash and size, deriver (may be empty), the number of its
 * references and these, a line each. Source: nix `src/libstore/store-api.cc`, makeValidityRegistration. The `registration` of a
 * `closureInfo` output is the same.
 *
 * @param where names the text in messages.
 * @throws StatusError Internal when it is something else.
 */
export function parseRegistration(text: string, where = 'nix-store --dump-db'): ReferenceGraph {
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  const graph = new Map<StorePath, readonly StorePath[]>();
  for (let at = 0; at < lines.length; ) {
    const path = checked(lines, at, where);
    const count = lines[at + HEAD - 1] ?? '';
    if (!/^\d{1,6}$/.test(count)) throw unreadable(at + HEAD, where);
    const first = at + HEAD;
    const references: StorePath[] = [];
    for (let line = first; line < first + Number(count); line++) references.push(checked(lines, line, where));
    graph.set(path, references);
    at = first + references.length;
  }
  return graph;
}

function checked(lines: readonly string[], at: number, where: string): StorePath {
  const path = parseStorePath(lines[at] ?? '');
  if (path === undefined) throw unreadable(at + 1, where);
  return path;
}

function unreadable(line: number, where: string): StatusError {
  return new StatusError('Internal', `${where}: line ${line} is not what is expected there`);
}
