import type { TomlError } from 'smol-toml';

/** What is wrong with a text that is no TOML, on one line: `line 3, column 7: invalid value`. */
export function tomlProblem({ line, column, message }: TomlError): string {
  const [what = message] = message.replace(/^Invalid TOML document: /, '').split('\n', 1);
  return `line ${line}, column ${column}: ${what}`;
}
