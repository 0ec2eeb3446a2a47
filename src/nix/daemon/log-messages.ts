import { type LogLine, messageLine } from '../log-line.ts';
import {
  amountAt,
  boolean,
  type Decode,
  integer,
  list,
  MAX_MESSAGE,
  numberAt,
  ProtocolError,
  text,
  textOf,
} from './wire.ts';

/** What the daemon sends while an operation runs, and how it ends. */
export type LogMessage =
  | LogLine
  | { readonly kind: 'last' }
  | { readonly kind: 'error'; readonly text: string };

/** Numbers of the messages: nix `src/libstore/include/nix/store/worker-protocol.hh`, `STDERR_…`. */
const MESSAGE = {
  next: 0x6f6c6d67,
  read: 0x64617461,
  write: 0x64617416,
  last: 0x616c7473,
  error: 0x63787470,
  startActivity: 0x53545254,
  stopActivity: 0x53544f50,
  result: 0x52534c54,
} as const;

const MAX_FIELDS = 100;
const MAX_TRACES = 1000;
const MAX_LEVEL = 1000;
const MAX_TYPE = 0xffff_ffff;

/** One message of the log. Undefined for an empty text. Source: nix `worker-protocol-connection.cc`. */
export function* logMessage(): Decode<LogMessage | undefined> {
  const kind = yield* integer('a message type', MAX_TYPE);
  switch (kind) {
    case MESSAGE.next:
      return messageLine(yield* text('a log text', MAX_MESSAGE));
    case MESSAGE.last:
      return { kind: 'last' };
    case MESSAGE.error:
      return { kind: 'error', text: yield* daemonError() };
    case MESSAGE.startActivity:
      return yield* startActivity();
    case MESSAGE.stopActivity:
      return { kind: 'stop', id: activityId(yield 8) };
    case MESSAGE.result:
      return yield* result();
    case MESSAGE.read:
    case MESSAGE.write:
      throw new ProtocolError('a transfer of data that nobody asked for');
    default:
      throw new ProtocolError(`unknown message type 0x${kind.toString(16)}`);
  }
}

// Thousands of these come for a large closure: neighbouring numbers are taken at once.

function* startActivity(): Decode<LogLine> {
  const head = yield 32;
  const length = numberAt(head, 24, 'length of an activity text', MAX_MESSAGE);
  yield* textOf(length, 'an activity text');
  const values = yield* fields(numberAt(yield 8, 0, 'number of fields', MAX_FIELDS));
  const parent = activityId(yield 8);
  return {
    kind: 'start',
    id: activityId(head),
    parent,
    type: numberAt(head, 16, 'an activity type'),
    fields: values,
  };
}

function* result(): Decode<LogLine> {
  const head = yield 24;
  const values = yield* fields(numberAt(head, 16, 'number of fields', MAX_FIELDS));
  return { kind: 'result', id: activityId(head), type: numberAt(head, 8, 'a result type'), fields: values };
}

function* fields(count: number): Decode<readonly (string | number)[]> {
  const values: (string | number)[] = [];
  while (values.length < count) {
    const head = yield 16;
    const type = numberAt(head, 0, 'a field type');
    if (type === 0) values.push(amountAt(head, 8));
    else if (type === 1)
      values.push(yield* textOf(numberAt(head, 8, 'length of a field', MAX_MESSAGE), 'a field'));
    else throw new ProtocolError(`unknown field type ${type}`);
  }
  return values;
}

/**
 * A process id above 32 bits of count, which is beyond 2^53 for large process ids. The lower 52 bits are kept: all activities
 * of a connection are of one process.
 */
function activityId(bytes: Buffer): number {
  return (bytes.readUInt32LE(4) & 0xf_ffff) * 2 ** 32 + bytes.readUInt32LE(0);
}

/** An error since protocol 1.26: nix `src/libutil/serialise.cc`, `readError`. Positions are never sent. */
function* daemonError(): Decode<string> {
  const type = yield* text('an error type');
  if (type !== 'Error') throw new ProtocolError(`unknown error type ${JSON.stringify(type.slice(0, 50))}`);
  yield* integer('an error level', MAX_LEVEL);
  yield* text('an error name');
  const message = yield* text('an error message', MAX_MESSAGE);
  yield* noPosition();
  yield* list('error traces', trace, MAX_TRACES);
  const line = messageLine(message);
  const said = line?.kind === 'message' ? line.text : '(no message)';
  return /^error\b/i.test(said) ? said : `error: ${said}`;
}

function* trace(): Decode<void> {
  yield* noPosition();
  yield* text('an error trace', MAX_MESSAGE);
}

function* noPosition(): Decode<void> {
  if (yield* boolean('an error position')) throw new ProtocolError('an error position, which is never sent');
}
