import { StringDecoder } from 'node:string_decoder';

/** Longest line that is kept, in UTF-16 code units; the rest of a longer line is dropped. */
const MAX_LINE = 64 * 1024;

/** Cuts a byte stream into lines of UTF-8 text with bounded memory. Empty lines are left out. */
export class LineSplitter {
  readonly #onLine: (line: string) => void;
  readonly #decoder = new StringDecoder('utf8');
  #rest = '';

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine;
  }

  write(chunk: Buffer): void {
    this.#add(this.#decoder.write(chunk));
  }

  /** Gives out what follows the last line break. */
  end(): void {
    this.#add(`${this.#decoder.end()}\n`);
  }

  #add(text: string): void {
    let start = 0;
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', start)) {
      this.#keep(text.slice(start, end));
      const line = this.#rest.endsWith('\r') ? this.#rest.slice(0, -1) : this.#rest;
      this.#rest = '';
      start = end + 1;
      if (line !== '') this.#onLine(line);
    }
    this.#keep(text.slice(start));
  }

  #keep(text: string): void {
    this.#rest += text.slice(0, Math.max(0, MAX_LINE - this.#rest.length));
  }
}
