import { destination, pino } from 'pino';
import { printable } from './printable.ts';

/** Structured log, as pino's: `log.info({key}, 'text')`. Levels: see CONTRIBUTING.md, "Log levels". */
export interface Log {
  debug(fields: object, text: string): void;
  info(fields: object, text: string): void;
  warn(fields: object, text: string): void;
  error(fields: object, text: string): void;
}

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/**
 * JSON lines on stderr, written synchronously so that the last line before a crash is not lost. A line can be shown on a terminal: what
 * JSON leaves of control characters is escaped as JSON escapes the others.
 */
export function createLog(level: LogLevel): Log {
  return pino(
    { level, base: null, timestamp: isoTime, hooks: { streamWrite: printable } },
    destination({ dest: 2, sync: true }),
  );
}

/** A log that keeps nothing. */
export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} };

function isoTime(): string {
  return `,"time":"${new Date().toISOString()}"`;
}
