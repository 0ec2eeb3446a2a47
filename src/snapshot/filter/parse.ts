import { StatusError } from '../../errors.ts';
import { printable } from '../../printable.ts';
import { FilterSyntaxError, Scanner, type Token } from './scan.ts';

/** `present` asks only whether the field is there; the others compare with `value`. */
export interface Selector {
  readonly fieldPath: readonly string[];
  readonly operator: 'present' | '==' | '!=' | '~=';
  readonly value: string;
}

/**
 * Parses one filter: selectors that must all match. An empty filter has none and matches everything.
 * Source: containerd `pkg/filters/parser.go`.
 *
 * @throws StatusError InvalidArgument that shows the place of the error.
 */
export function parseFilter(text: string): readonly Selector[] {
  if (text === '') return [];
  if (text.includes('\0')) throw invalid(text, new FilterSyntaxError(0, 'unexpected null'));
  try {
    return selectors(new Scanner(text));
  } catch (error) {
    if (error instanceof FilterSyntaxError) throw invalid(text, error);
    throw error;
  }
}

function selectors(scanner: Scanner): readonly Selector[] {
  const result = [selector(scanner)];
  for (;;) {
    const char = scanner.peek();
    if (char === undefined) return result;
    if (char !== ',') throw new FilterSyntaxError(scanner.at, `unexpected input: ${char}`);
    scanner.next();
    result.push(selector(scanner));
  }
}

function selector(scanner: Scanner): Selector {
  const fieldPath = [field(scanner.next())];
  while (scanner.peek() === '.') {
    scanner.next();
    fieldPath.push(field(scanner.next()));
  }
  const follows = scanner.peek();
  if (follows === undefined || follows === ',') return { fieldPath, operator: 'present', value: '' };
  const operator = operatorOf(scanner.next());
  const value = scanner.next();
  if (value.type === 'end') throw new FilterSyntaxError(value.at, 'unexpected EOF');
  if (value.type !== 'value' && value.type !== 'field' && value.type !== 'quoted') {
    throw new FilterSyntaxError(value.at, 'expected value or quoted');
  }
  if (value.type === 'quoted' && value.quote !== '"' && operator !== '~=') {
    throw new FilterSyntaxError(value.at, 'invalid quote encountered');
  }
  return { fieldPath, operator, value: value.text };
}

function field(token: Token): string {
  if (token.type === 'field') return token.text;
  if (token.type === 'quoted' && token.quote === '"') return token.text;
  throw new FilterSyntaxError(token.at, 'expected field or quoted');
}

function operatorOf(token: Token): '==' | '!=' | '~=' {
  if (token.type !== 'operator') {
    throw new FilterSyntaxError(token.at, 'expected an operator ("=="|"!="|"~=")');
  }
  if (token.text === '==' || token.text === '!=' || token.text === '~=') return token.text;
  throw new FilterSyntaxError(token.at, `unsupported operator ${JSON.stringify(token.text)}`);
}

function invalid(text: string, error: FilterSyntaxError): StatusError {
  const input = Array.from(text);
  const before = input.slice(Math.max(0, error.at - 200), error.at).join('');
  const char = input[error.at];
  const after = input.slice(error.at + 1, error.at + 200).join('');
  const place = char === undefined ? `[${before}]` : `[${before} >|${char}|< ${after}]`;
  const said = printable(`${place}: ${error.message}`).replaceAll('\n', String.raw`\n`);
  return new StatusError('InvalidArgument', `filters: parse error: ${said}: invalid argument`);
}
