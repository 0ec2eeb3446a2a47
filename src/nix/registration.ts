import { parseStorePath, type StorePath } from '../closure/store-path.ts';
import { StatusError } from '../errors.ts';
import type { ReferenceGraph } from './store.ts';

/** Lines of an entry before its references: path, NAR hash, NAR size, deriver, number of references. */
const HEAD = 5;

/**
 * Reads what `nix-store --dump-db` prints: for each path its name, NAR hash and size, deriver (may be empty), the number of its
 * references and these, a line each. Source: nix `src/libstore/store-api.cc`, makeValidityRegistration.
 *
 * @throws StatusError Internal when it is something else.
 */
export function parseRegistration(text: string): ReferenceGraph {
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  const graph = new Map<StorePath, readonly StorePath[]>();
  for (let at = 0; at < lines.length; ) {
    const path = checked(lines, at);
    const count = lines[at + HEAD - 1] ?? '';
    if (!/^\d{1,6}$/.test(count)) throw unreadable(at + HEAD);
    const first = at + HEAD;
    const references: StorePath[] = [];
    for (let line = first; line < first + Number(count); line++) references.push(checked(lines, line));
    graph.set(path, references);
    at = first + references.length;
  }
  return graph;
}

function checked(lines: readonly string[], at: number): StorePath {
  const path = parseStorePath(lines[at] ?? '');
  if (path === undefined) throw unreadable(at + 1);
  return path;
}

function unreadable(line: number): StatusError {
  return new StatusError('Internal', `nix-store --dump-db: line ${line} is not what is expected there`);
}
