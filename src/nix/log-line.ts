import { cleanText } from '../printable.ts';

/**
 * One line of `--log-format internal-json`, or one message of a daemon. Verbosity levels and the numbers of activity and result types:
 * nix `src/libutil/include/nix/util/logging.hh`.
 */
export type LogLine =
  | { readonly kind: 'message'; readonly level: number; readonly text: string }
  | {
      readonly kind: 'start';
      readonly id: number;
      /** The activity that it is part of; 0 for none. */
      readonly parent: number;
      readonly type: number;
      readonly fields: readonly (string | number)[];
    }
  | {
      readonly kind: 'result';
      readonly id: number;
      readonly type: number;
      readonly fields: readonly (string | number)[];
    }
  | { readonly kind: 'stop'; readonly id: number };

export const LEVEL = { error: 0, warning: 1, notice: 2, info: 3, talkative: 4, chatty: 5, debug: 6 } as const;
export const ACTIVITY = {
  copyPath: 100,
  fileTransfer: 101,
  copyPaths: 103,
  substitute: 108,
  queryPathInfo: 109,
} as const;
export const RESULT = { buildLogLine: 101, progress: 105, setExpected: 106 } as const;

const PREFIX = '@nix ';

/**
 * Parses one line of a Nix program's stderr. A line that is not structured (plain text, broken JSON) is a
 * message: `error` when it starts so, else `info`. Undefined for a structured line that carries nothing we use.
 */
export function parseLogLine(line: string): LogLine | undefined {
  if (!line.startsWith(PREFIX)) return messageLine(line);
  const value = parseObject(line.slice(PREFIX.length));
  if (value === undefined) return messageLine(line);
  const { action, id, type, parent, level, msg, raw_msg: raw } = value;
  if (action === 'msg' && typeof msg === 'string') {
    const text = typeof raw === 'string' && level === LEVEL.error ? `error: ${raw}` : msg;
    return { kind: 'message', level: typeof level === 'number' ? level : LEVEL.info, text: cleanText(text) };
  }
  if (typeof id !== 'number') return undefined;
  if (action === 'stop') return { kind: 'stop', id };
  if (typeof type !== 'number') return undefined;
  const fields = scalars(value['fields']);
  if (action === 'start')
    return { kind: action, id, parent: typeof parent === 'number' ? parent : 0, type, fields };
  if (action === 'result') return { kind: action, id, type, fields };
  return undefined;
}

/** A text that Nix says, as a message; undefined when nothing is left of it without escapes. */
export function messageLine(line: string): LogLine | undefined {
  const text = cleanText(line);
  if (text === '') return undefined;
  const level = /^error\b/i.test(text) ? LEVEL.error : /^warning\b/i.test(text) ? LEVEL.warning : LEVEL.info;
  return { kind: 'message', level, text };
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function scalars(value: unknown): readonly (string | number)[] {
  if (!Array.isArray(value)) return [];
  return value.filter((field) => typeof field === 'string' || typeof field === 'number');
}
