import { isDeepStrictEqual } from 'node:util';
import { parse, TomlError, type TomlTable } from 'smol-toml';
import { tomlProblem } from '../config/toml.ts';
import { StatusError } from '../errors.ts';
import { marked } from './marker.ts';

/** A TOML file's text with lines of ours in it. */
export interface Edited {
  readonly text: string;
  /** The lines that were added. */
  readonly lines: readonly string[];
}

/**
 * Reads TOML.
 *
 * @throws StatusError FailedPrecondition naming the file when it is none.
 */
export function parseToml(path: string, text: string): TomlTable {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    throw new StatusError(
      'FailedPrecondition',
      `${path} is not TOML: ${tomlProblem(error)}; repair it, then run setup again`,
      { cause: error },
    );
  }
}

/**
 * Adds a key to the top of a file or, where `table` names one, to a table, and keeps every byte of the owner's.
 *
 * @param value a string or a list of strings.
 * @throws StatusError FailedPrecondition when the file is no TOML, or spells its tables so that a line cannot be added.
 */
export function addKey(
  path: string,
  before: string,
  { table, key, value }: { readonly table?: string; readonly key: string; readonly value: string | string[] },
): Edited {
  const parsed = parseToml(path, before);
  const line = marked(`${key} = ${JSON.stringify(value)}`);
  const expected =
    table === undefined
      ? { ...parsed, [key]: value }
      : { ...parsed, [table]: { ...(parsed[table] as TomlTable | undefined), [key]: value } };
  const edited = table === undefined ? atTop(before, line) : inTable(before, table, line, table in parsed);
  return verified(path, edited, expected, line);
}

/**
 * Adds an element to a list of strings at the top of a file; the list is made where there is none.
 *
 * @throws StatusError FailedPrecondition as {@link addKey}.
 */
export function addElement(path: string, before: string, key: string, element: string): Edited {
  const parsed = parseToml(path, before);
  const list = parsed[key];
  if (list === undefined) return addKey(path, before, { key, value: [element] });
  const line = marked(`  ${JSON.stringify(element)},`);
  const expected = { ...parsed, [key]: [...(Array.isArray(list) ? list : []), element] };
  const start = new RegExp(`^${key}[ \\t]*=[ \\t]*\\[`, 'm').exec(before);
  const end = start === null ? undefined : closingBracket(before, start.index + start[0].length);
  if (end === undefined) throw notEditable(path, line);
  const inside = before.slice(0, end).trimEnd();
  const comma = inside.endsWith('[') || inside.endsWith(',') ? '' : ',';
  const text = `${inside}${comma}\n${line}\n${before.slice(end)}`;
  return verified(path, { text, lines: [line] }, expected, line);
}

/** Those of these lines that are in a text, each as often as it is there at most. */
export function linesIn(text: string, lines: readonly string[]): readonly string[] {
  const there = text.split('\n');
  return lines.filter((line) => {
    const at = there.indexOf(line);
    if (at >= 0) there.splice(at, 1);
    return at >= 0;
  });
}

/** Takes lines out again; undefined when one of them is not there. */
export function withoutLines(text: string, lines: readonly string[]): string | undefined {
  const kept = text.split('\n');
  for (const line of lines) {
    const at = kept.indexOf(line);
    if (at < 0) return undefined;
    kept.splice(at, 1);
  }
  return kept.join('\n');
}

function atTop(before: string, line: string): Edited {
  const lines = before.split('\n');
  const firstTable = lines.findIndex((text) => /^\s*\[/.test(text));
  const version = lines.findIndex((text) => /^version\s*=/.test(text));
  const at = version >= 0 && (firstTable < 0 || version < firstTable) ? version + 1 : 0;
  lines.splice(at, 0, line);
  if (at === lines.length - 1) lines.push('');
  return { text: lines.join('\n'), lines: [line] };
}

function inTable(before: string, table: string, line: string, exists: boolean): Edited {
  const header = `[${table}]`;
  const lines = before.split('\n');
  const at = lines.findIndex((text) => text.replace(/#.*$/, '').trim() === header);
  if (at >= 0) {
    lines.splice(at + 1, 0, line);
    if (at + 1 === lines.length - 1) lines.push('');
    return { text: lines.join('\n'), lines: [line] };
  }
  if (exists) return { text: before, lines: [] };
  const added = [marked(header), line];
  const gap = before === '' || before.endsWith('\n') ? '' : '\n';
  return { text: `${before}${gap}${added.join('\n')}\n`, lines: added };
}

/** Where the list that begins before `from` ends; strings and comments are skipped. */
function closingBracket(text: string, from: number): number | undefined {
  const token = /"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|#[^\n]*|[[\]]/g;
  token.lastIndex = from;
  for (let found = token.exec(text); found !== null; found = token.exec(text)) {
    if (found[0] === '[') return undefined;
    if (found[0] === ']') return found.index;
  }
  return undefined;
}

/** The edit counts only when the file now says what it said, and our key. */
function verified(path: string, edited: Edited, expected: TomlTable, line: string): Edited {
  try {
    if (isDeepStrictEqual(plain(parse(edited.text)), plain(expected))) return edited;
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
  }
  throw notEditable(path, line);
}

function plain(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (_, part: unknown) => (typeof part === 'bigint' ? String(part) : part)),
  );
}

function notEditable(path: string, line: string): StatusError {
  return new StatusError(
    'FailedPrecondition',
    `${path}: its spelling leaves no place to add a line; add this by hand: ${line.trim()}`,
  );
}
