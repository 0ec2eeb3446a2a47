import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { WriteStream } from 'node:tty';
import type { StatusResponse } from '../../proto/gen/messages.ts';
import { errnoOf, messageOf } from '../errors.ts';
import { cleanText, printable } from '../printable.ts';
import { describeNews, describeStatus } from './describe.ts';
import { jsonOf } from './json.ts';

export interface WatchOptions {
  readonly json: boolean;
  readonly intervalMs: number;
}

export interface WatchDeps {
  readonly ask: () => Promise<StatusResponse>;
  /** A terminal is drawn anew; anything else gets a line for each change, or for each look where JSON is wanted. */
  readonly output: NodeJS.WritableStream & Partial<Pick<WriteStream, 'isTTY' | 'columns' | 'rows'>>;
  /** The terminal's kind, by `TERM`: a `dumb` one cannot be drawn on. */
  readonly term?: string | undefined;
  /** Ends the watch besides SIGINT and SIGTERM. */
  readonly signal?: AbortSignal;
}

/** What a look at the daemon gave: its answer, or why there is none. */
type Look = { readonly answer: StatusResponse } | { readonly gone: string };

/** ECMA-48: to the first place of the screen; erase to the end of the line; erase to the end of the screen. */
const HOME = '\u001b[H';
const TO_LINE_END = '\u001b[K';
const TO_SCREEN_END = '\u001b[J';

/**
 * Shows a daemon's status again and again, until SIGINT or SIGTERM, or until nobody reads. A daemon that goes is waited for.
 *
 * @throws what writing raises, but for a reader that has gone.
 */
export async function watchStatus({ json, intervalMs }: WatchOptions, deps: WatchDeps): Promise<void> {
  using stop = stopped(deps);
  const isScreen = deps.output.isTTY === true && deps.term !== 'dumb';
  const show = json ? jsonLines() : isScreen ? screen(deps.output) : newsLines();
  while (!stop.signal.aborted) {
    const look = await lookAt(deps.ask, stop.signal);
    if (look === undefined) return;
    const text = show(look);
    if (text !== '' && !deps.output.write(text)) await drained(deps.output, stop.signal);
    // The end of the wait is its signal.
    await sleep(intervalMs, undefined, { signal: stop.signal }).catch(() => {});
  }
}

/** @returns undefined when the watch ends meanwhile. */
async function lookAt(ask: WatchDeps['ask'], signal: AbortSignal): Promise<Look | undefined> {
  const { promise: ended, resolve } = Promise.withResolvers<undefined>();
  const onAbort = (): void => resolve(undefined);
  signal.addEventListener('abort', onAbort, { once: true });
  const look = ask().then(
    (answer): Look => ({ answer }),
    (error: unknown): Look => ({ gone: cleanText(messageOf(error)) }),
  );
  try {
    return await Promise.race([look, ended]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

function jsonLines(): (look: Look) => string {
  return (look) =>
    `${printable(JSON.stringify('gone' in look ? { error: look.gone } : jsonOf(look.answer)))}\n`;
}

/** Each change, with the time. */
function newsLines(): (look: Look) => string {
  let before: StatusResponse | undefined;
  let gone: string | undefined;
  return (look) => {
    const lines: string[] = [];
    if ('gone' in look) {
      if (gone === undefined) lines.push(`${look.gone}; waiting for the daemon`);
      gone = look.gone;
    } else {
      if (gone !== undefined) lines.push('the daemon answers');
      gone = undefined;
      lines.push(...describeNews(before, look.answer));
      before = look.answer;
    }
    const time = new Date().toISOString();
    return lines.map((line) => `${time} ${line}\n`).join('');
  };
}

/** The whole report, over the one before, cut to what the terminal can show. */
function screen(terminal: WatchDeps['output']): (look: Look) => string {
  return (look) => {
    // A terminal that does not know its size says 0.
    const columns = terminal.columns || 80;
    const rows = terminal.rows || 24;
    const time = new Date().toLocaleTimeString('sv');
    const text =
      'gone' in look ? `${look.gone}\nwaiting for the daemon` : describeStatus(look.answer).trimEnd();
    const lines = [`${time}  (end with Ctrl-C)`, ...text.split('\n')];
    const shown = lines.slice(0, Math.max(1, rows - 1)).map((line) => line.slice(0, columns));
    return `${HOME}${shown.map((line) => `${line}${TO_LINE_END}\n`).join('')}${TO_SCREEN_END}`;
  };
}

/** Aborted by SIGINT, SIGTERM, and when the reader has gone. */
function stopped({ output, signal }: WatchDeps): Disposable & { readonly signal: AbortSignal } {
  const controller = new AbortController();
  const stop = (): void => controller.abort();
  let failure: unknown;
  const onError = (error: unknown): void => {
    if (errnoOf(error) !== 'EPIPE') failure = error;
    stop();
  };
  const signals = ['SIGINT', 'SIGTERM'] as const;
  for (const name of signals) process.once(name, stop);
  output.on('error', onError);
  signal?.addEventListener('abort', stop, { once: true });
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      for (const name of signals) process.off(name, stop);
      output.off('error', onError);
      signal?.removeEventListener('abort', stop);
      if (failure !== undefined) throw failure;
    },
  };
}

async function drained(output: NodeJS.WritableStream, signal: AbortSignal): Promise<void> {
  // The end of the wait is its signal.
  await once(output, 'drain', { signal }).catch(() => {});
}
