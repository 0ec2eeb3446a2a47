/** A token of the filter grammar; `text` is unescaped for quoted tokens; `at` is its place in code points. */
export interface Token {
  readonly type: 'field' | 'value' | 'quoted' | 'operator' | 'separator' | 'end';
  readonly text: string;
  readonly at: number;
  /** The quote of a quoted token: `"`, `/` or `|`. */
  readonly quote?: string;
}

/** What is wrong with a filter, and where (a place in code points). */
export class FilterSyntaxError extends Error {
  override readonly name = 'FilterSyntaxError';
  readonly at: number;
  constructor(at: number, message: string) {
    super(message);
    this.at = at;
  }
}

const SPACE = /^[\t\n\v\f\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]$/u;
const FIELD = /^[A-Za-z0-9_]$/;
/** Go's letter, digit, number, graphic or punctuation, without the comma; spaces are never values. */
const VALUE = /^[\p{L}\p{M}\p{N}\p{P}\p{S}]$/u;

const ESCAPES: Readonly<Record<string, number>> = {
  a: 7,
  b: 8,
  f: 12,
  n: 10,
  r: 13,
  t: 9,
  v: 11,
  '\\': 92,
};
/** Numeric escapes: base and count of digits. */
const HEX: Readonly<Record<string, number>> = { x: 2, u: 4, U: 8 };

/**
 * Splits a filter into tokens the way containerd does. Source: containerd `pkg/filters/scanner.go`, `quote.go`.
 * {@link next} throws FilterSyntaxError on text that is no token.
 */
export class Scanner {
  readonly #input: readonly string[];
  #at = 0;
  /** Set after an operator: only there a token may be a bare value. */
  #valueAllowed = false;

  constructor(input: string) {
    this.#input = Array.from(input);
  }

  /** The next character, spaces not skipped; undefined at the end. */
  peek(): string | undefined {
    return this.#input[this.#at];
  }

  get at(): number {
    return this.#at;
  }

  next(): Token {
    while (SPACE.test(this.peek() ?? '')) this.#at += 1;
    const at = this.#at;
    const char = this.peek();
    if (char === undefined) return { type: 'end', text: '', at };
    if (char === '"' || char === '/' || char === '|') {
      return { type: 'quoted', text: this.#quoted(char), at, quote: char };
    }
    if (char === ',' || char === '.') {
      this.#at += 1;
      this.#valueAllowed = false;
      return { type: 'separator', text: char, at };
    }
    if ('=!~'.includes(char)) {
      const text = this.#run((c) => '=!~'.includes(c));
      this.#valueAllowed = true;
      return { type: 'operator', text, at };
    }
    if (this.#valueAllowed) {
      this.#valueAllowed = false;
      const text = this.#run((c) => c !== ',' && VALUE.test(c));
      if (text !== '') return { type: 'value', text, at };
    }
    const text = this.#run((c) => FIELD.test(c));
    if (text !== '') return { type: 'field', text, at };
    throw new FilterSyntaxError(at, `unexpected input: ${JSON.stringify(char)}`);
  }

  #run(accept: (char: string) => boolean): string {
    const start = this.#at;
    while (this.#at < this.#input.length && accept(this.#input[this.#at] ?? '')) this.#at += 1;
    return this.#input.slice(start, this.#at).join('');
  }

  #quoted(quote: string): string {
    const start = this.#at;
    const bytes: Buffer[] = [];
    this.#at += 1;
    for (;;) {
      const char = this.#input[this.#at];
      if (char === undefined || char === '\n')
        throw new FilterSyntaxError(start, 'quoted literal not terminated');
      this.#at += 1;
      if (char === quote) return Buffer.concat(bytes).toString('utf8');
      bytes.push(char === '\\' ? this.#escape(quote) : Buffer.from(char, 'utf8'));
    }
  }

  #escape(quote: string): Buffer {
    const at = this.#at;
    const char = this.#input[this.#at] ?? '';
    this.#at += 1;
    if (char === quote) return Buffer.from(quote);
    const simple = Object.hasOwn(ESCAPES, char) ? ESCAPES[char] : undefined;
    if (simple !== undefined) return Buffer.from([simple]);
    const count = Object.hasOwn(HEX, char) ? HEX[char] : undefined;
    if (count !== undefined) {
      const code = this.#digits(at, /^[0-9a-fA-F]$/, count, 16);
      if (char === 'x') return Buffer.from([code]);
      if (code > 0x10ffff) throw new FilterSyntaxError(at, 'escape beyond the last Unicode character');
      return Buffer.from(String.fromCodePoint(code), 'utf8');
    }
    if (/^[0-7]$/.test(char)) {
      this.#at -= 1;
      const code = this.#digits(at, /^[0-7]$/, 3, 8);
      if (code > 255) throw new FilterSyntaxError(at, 'octal escape beyond \\377');
      return Buffer.from([code]);
    }
    throw new FilterSyntaxError(at, 'illegal escape sequence');
  }

  #digits(at: number, digit: RegExp, count: number, base: number): number {
    const digits = this.#input.slice(this.#at, this.#at + count);
    if (digits.length < count || !digits.every((c) => digit.test(c))) {
      throw new FilterSyntaxError(at, 'illegal numeric escape sequence');
    }
    this.#at += count;
    return Number.parseInt(digits.join(''), base);
  }
}
