import { styleText } from 'node:util';
import { commandUnits, fillLines, formatSeconds, shortenStorePaths } from './format.ts';

const MARGIN = '   ';
const PROMPT = '$ ';
const CONTINUED = '    ';

/** One line of {@link Report.table}: what it is, and what is to be known of it. */
export type Row = readonly [label: string, value: string];

/** Prints what the demo does, for a person at a terminal. */
export class Report {
  /** Title of the step that runs, with its number. */
  step = 'Start';
  #steps = 0;
  readonly #width: number;
  readonly #out: NodeJS.WritableStream;

  constructor(options: { /** Columns. */ readonly width: number }, deps: { out: NodeJS.WritableStream }) {
    this.#width = options.width;
    this.#out = deps.out;
  }

  title(text: string): void {
    this.#line(this.#style('bold', text));
  }

  /** A new step begins. */
  begin(title: string): void {
    this.#steps += 1;
    this.step = `${this.#steps}. ${title}`;
    this.#line('');
    this.#line(this.#style(['bold', 'cyan'], this.step));
  }

  /** A paragraph. */
  say(text: string): void {
    const lines = fillLines(shortenStorePaths(text).split(' '), this.#width - MARGIN.length);
    for (const line of lines) this.#line(MARGIN + line);
  }

  /** A command that has ended, and how long it took. */
  command(words: readonly string[], milliseconds: number): void {
    const time = formatSeconds(milliseconds);
    const room = this.#width - MARGIN.length - CONTINUED.length - time.length - 2;
    const lines = [...fillLines(commandUnits(words), room, ' \\')];
    const last = lines.pop() ?? '';
    for (const [i, line] of lines.entries()) this.#commandLine(i === 0 ? PROMPT : CONTINUED, line);
    const prompt = lines.length === 0 ? PROMPT : CONTINUED;
    const used = MARGIN.length + prompt.length + last.length;
    this.#commandLine(prompt, last, `  ${time}`.padStart(this.#width - used));
  }

  /** What a program wrote. */
  output(text: string): void {
    for (const line of shortenStorePaths(text).split('\n')) {
      const room = this.#width - MARGIN.length - 2;
      const shown = line.length > room ? `${line.slice(0, room - 1)}…` : line;
      this.#line(`${MARGIN}${this.#style('dim', '│')} ${this.#style('green', shown)}`.trimEnd());
    }
  }

  /** Facts, one a line, their values in one column. */
  table(rows: readonly Row[]): void {
    const column = Math.max(...rows.map(([label]) => shortenStorePaths(label).length)) + 2;
    for (const [label, value] of rows) {
      this.#line(`${MARGIN}${shortenStorePaths(label).padEnd(column)}${shortenStorePaths(value)}`);
    }
  }

  /** Lines as they are, for what is to be copied. */
  verbatim(lines: readonly string[]): void {
    for (const line of lines) this.#line(`${MARGIN}  ${line}`);
  }

  /** Does something whose time is worth telling. */
  async timed<T>(what: string, work: () => Promise<T>): Promise<T> {
    const start = performance.now();
    const result = await work();
    const time = formatSeconds(performance.now() - start);
    this.#line(`${MARGIN}${what}${time.padStart(this.#width - MARGIN.length - what.length)}`);
    return result;
  }

  #commandLine(prompt: string, text: string, time = ''): void {
    this.#line(`${MARGIN}${this.#style('dim', prompt)}${text}${this.#style('dim', time)}`);
  }

  #style(format: Parameters<typeof styleText>[0], text: string): string {
    return styleText(format, text, { stream: this.#out });
  }

  #line(text: string): void {
    this.#out.write(`${text}\n`);
  }
}
