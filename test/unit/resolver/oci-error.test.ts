import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { StatusError } from '../../../src/errors.ts';
import { ociError } from '../../../src/resolver/oci-error.ts';

const answer = (error: unknown) => {
  const { status, body } = ociError(error);
  const { errors } = JSON.parse(body.toString()) as { errors: { code: string; message: string }[] };
  return { status, ...errors[0] };
};

describe('ociError', () => {
  it('gives clients the text, under a code that says nothing else', () => {
    const full = 'the disk of the Nix store is full';
    assert.deepEqual(answer(new StatusError('ResourceExhausted', full)), {
      status: 507,
      code: 'UNKNOWN',
      message: full,
    });
  });

  it('answers 404, of which clients print no text, for what does not exist alone', () => {
    assert.equal(answer(new StatusError('NotFound', 'x')).status, 404);
    for (const code of [
      'FailedPrecondition',
      'Unavailable',
      'DeadlineExceeded',
      'PermissionDenied',
    ] as const) {
      assert.notEqual(answer(new StatusError(code, 'x')).status, 404);
    }
  });

  it('says nothing of errors that are no answers', () => {
    const { status, message } = answer(new Error('a secret'));
    assert.equal(status, 500);
    assert.doesNotMatch(message ?? '', /secret/);
  });
});
