/**
 * The gRPC status codes that this project answers with, by name.
 * Numbers: https://grpc.github.io/grpc/core/md_doc_statuscodes.html; what containerd makes of each:
 * containerd `errdefs/pkg/errgrpc`.
 */
export type StatusCode =
  | 'Cancelled'
  | 'Unknown'
  | 'InvalidArgument'
  | 'DeadlineExceeded'
  | 'NotFound'
  | 'AlreadyExists'
  | 'PermissionDenied'
  | 'ResourceExhausted'
  | 'FailedPrecondition'
  | 'Aborted'
  | 'OutOfRange'
  | 'Unimplemented'
  | 'Internal'
  | 'Unavailable'
  | 'DataLoss';

/** Longest message, and how much of its end is kept: what it names may be of any length. */
const MAX_MESSAGE = 8192;
const KEPT_END = 1024;

/**
 * The one error class that crosses module borders: a code a client can act on, and a message that names
 * the key, path or file, the cause and, where there is one, the next step. One that is too long is cut in its middle.
 */
export class StatusError extends Error {
  override readonly name = 'StatusError';
  readonly code: StatusCode;

  constructor(code: StatusCode, message: string, options?: { cause?: unknown }) {
    super(bounded(message), options);
    this.code = code;
  }
}

function bounded(message: string): string {
  if (message.length <= MAX_MESSAGE) return message;
  return `${message.slice(0, MAX_MESSAGE - KEPT_END)} … ${message.slice(-KEPT_END)}`.toWellFormed();
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The `errno` name (`ENOENT`, …) of a thrown Node.js error, or undefined. */
export function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}
