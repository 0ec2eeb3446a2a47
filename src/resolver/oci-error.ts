import { StatusError, type StatusCode } from '../errors.ts';

/** An answer that is no success: an HTTP status and the body that the OCI distribution specification gives errors. */
export interface OciError {
  readonly status: number;
  readonly body: Buffer;
}

const INTERNAL = { status: 500, code: 'UNKNOWN' } as const;

/** Codes: OCI distribution specification, "Error Codes". Only what does not exist at all is 404, which clients do not explain. */
const ANSWERS: Partial<Record<StatusCode, { readonly status: number; readonly code: string }>> = {
  InvalidArgument: { status: 400, code: 'NAME_INVALID' },
  NotFound: { status: 404, code: 'MANIFEST_UNKNOWN' },
  FailedPrecondition: { status: 422, code: 'MANIFEST_UNKNOWN' },
  PermissionDenied: { status: 403, code: 'DENIED' },
  Unimplemented: { status: 405, code: 'UNSUPPORTED' },
  DataLoss: { status: 422, code: 'MANIFEST_INVALID' },
  ResourceExhausted: { status: 507, code: 'UNKNOWN' },
  Unavailable: { status: 503, code: 'UNKNOWN' },
  DeadlineExceeded: { status: 504, code: 'UNKNOWN' },
};

/** @param unknown what was asked for, where it is not there. */
export function ociError(
  error: unknown,
  unknown: 'BLOB_UNKNOWN' | 'MANIFEST_UNKNOWN' = 'MANIFEST_UNKNOWN',
): OciError {
  if (!(error instanceof StatusError))
    return encode(INTERNAL, 'internal error; see the log of nix-snapshotter');
  const { status, code } = ANSWERS[error.code] ?? INTERNAL;
  return encode({ status, code: error.code === 'NotFound' ? unknown : code }, error.message);
}

function encode({ status, code }: { status: number; code: string }, message: string): OciError {
  return { status, body: Buffer.from(JSON.stringify({ errors: [{ code, message }] })) };
}
