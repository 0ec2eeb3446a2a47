import { messageOf, StatusError, type StatusCode } from '../errors.ts';
import { printable } from '../printable.ts';

/** Numbers of the gRPC status codes: https://grpc.github.io/grpc/core/md_doc_statuscodes.html */
const NUMBERS: Readonly<Record<StatusCode, number>> = {
  Cancelled: 1,
  Unknown: 2,
  InvalidArgument: 3,
  DeadlineExceeded: 4,
  NotFound: 5,
  AlreadyExists: 6,
  PermissionDenied: 7,
  ResourceExhausted: 8,
  FailedPrecondition: 9,
  Aborted: 10,
  OutOfRange: 11,
  Unimplemented: 12,
  Internal: 13,
  Unavailable: 14,
  DataLoss: 15,
};

const UNAUTHENTICATED = 16;

const NAMES = new Map<number, StatusCode>([
  ...Object.entries(NUMBERS).map(([name, number]) => [number, name as StatusCode] as const),
  [UNAUTHENTICATED, 'PermissionDenied'],
]);

/**
 * Bytes of UTF-8 that a status message may have. It travels percent-encoded in an HTTP/2 trailer, and a trailer
 * above 64 KiB makes the peer drop the call instead of reading the answer.
 */
const MAX_MESSAGE_BYTES = 8192;
const KEPT_END_CHARACTERS = 512;

export function statusNumber(code: StatusCode): number {
  return NUMBERS[code];
}

/** The name of a status number that a peer sent; Unknown for a number that is none. */
export function statusName(number: number): StatusCode {
  return NAMES.get(number) ?? 'Unknown';
}

/** What is thrown as what is answered: a StatusError as it is, anything else as Internal with its message. */
export function toStatusError(thrown: unknown): StatusError {
  if (thrown instanceof StatusError) return thrown;
  return new StatusError('Internal', messageOf(thrown), { cause: thrown });
}

/**
 * A message that can be sent: well-formed Unicode that a terminal can show, and cut in its middle when too long. The end stays, because
 * containerd reads the class of an error (`: not found`) there (`errdefs/pkg/errgrpc`).
 */
export function wireMessage(message: string): string {
  const text = printable(message.toWellFormed());
  if (Buffer.byteLength(text) <= MAX_MESSAGE_BYTES) return text;
  const end = text.slice(-KEPT_END_CHARACTERS);
  const room = MAX_MESSAGE_BYTES - Buffer.byteLength(end) - Buffer.byteLength(' … ');
  const start = Buffer.from(text)
    .subarray(0, room)
    .toString()
    .replace(/\uFFFD+$/, '');
  return `${start} … ${end}`.toWellFormed();
}
