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

/**
 * The one error class that crosses module borders: a code a client can act on, and a message that names
 * the key, path or file, the cause and, where there is one, the next step.
 */
export class StatusError extends Error {
  override readonly name = 'StatusError';
  readonly code: StatusCode;

  constructor(code: StatusCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
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
