import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import pino from 'pino';
import { Unreachable } from '../../../src/cri/unreachable.ts';
import { StatusError, type StatusCode } from '../../../src/errors.ts';

const fail = (code: StatusCode) => async () => {
  throw new StatusError(code, 'no answer');
};

describe('Unreachable', () => {
  const { signal } = new AbortController();

  const log = pino({ level: 'silent' });

  it('leaves a registry alone that did not answer, longer each time up to ten minutes, and no other', async (t) => {
    let now = 0;
    t.mock.method(performance, 'now', () => now);
    const unreachable = new Unreachable({ log });
    await assert.rejects(unreachable.guard('a', fail('Unavailable'), signal), { message: 'no answer' });
    const ask = async () => 'answer';
    await assert.rejects(unreachable.guard('a', ask, signal), {
      message: /did not answer a short while ago/,
    });
    assert.equal(await unreachable.guard('b', ask, signal), 'answer');
    now = 4900;
    await assert.rejects(unreachable.guard('a', ask, signal), { code: 'Unavailable' });
    now = 5000;
    for (const seconds of [10, 20, 40, 80, 160, 320, 600, 600]) {
      await assert.rejects(unreachable.guard('a', fail('Unavailable'), signal), { message: 'no answer' });
      now += seconds * 1000 - 1;
      await assert.rejects(unreachable.guard('a', ask, signal), { message: /a short while ago/ });
      now += 1;
    }
    assert.equal(await unreachable.guard('a', ask, signal), 'answer');
    await assert.rejects(unreachable.guard('a', fail('Unavailable'), signal), { message: 'no answer' });
    now += 5000;
    assert.equal(await unreachable.guard('a', ask, signal), 'answer');
  });

  it('takes no refusal and no caller that went for it', async () => {
    const unreachable = new Unreachable({ log });
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
