import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Unreachable } from '../../../src/cri/unreachable.ts';
import { StatusError, type StatusCode } from '../../../src/errors.ts';

const MINUTE = 60_000;
const fail = (code: StatusCode) => async () => {
  throw new StatusError(code, 'no answer');
};

describe('Unreachable', () => {
  const { signal } = new AbortController();

  it('leaves a registry alone that did not answer, for ten minutes, and no other', async (t) => {
    let now = 0;
    t.mock.method(performance, 'now', () => now);
    const unreachable = new Unreachable();
    await assert.rejects(unreachable.guard('a', fail('Unavailable'), signal), { message: 'no answer' });
    const ask = async () => 'answer';
    await assert.rejects(unreachable.guard('a', ask, signal), {
      message: /did not answer a short while ago/,
    });
    assert.equal(await unreachable.guard('b', ask, signal), 'answer');
    now = 9 * MINUTE;
    await assert.rejects(unreachable.guard('a', ask, signal), { code: 'Unavailable' });
    now = 10 * MINUTE;
    assert.equal(await unreachable.guard('a', ask, signal), 'answer');
  });

  it('takes no refusal and no caller that went for it', async () => {
    const unreachable = new Unreachable();
    for (const [code, caller] of [
      ['NotFound', signal],
      ['PermissionDenied', signal],
      ['Unavailable', AbortSignal.abort()],
    ] as const) {
      await assert.rejects(unreachable.guard('a', fail(code), caller), { code });
    }
    assert.equal(await unreachable.guard('a', async () => 'answer', signal), 'answer');
  });
});
