import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseOptions } from '../../soak/options.ts';

describe('options of npm run soak', () => {
  it('are 5 minutes of 8 clients on containerd 2.3 unless told', () => {
    assert.deepEqual(parseOptions([]), { minutes: 5, clients: 8, containerd: '2.3', help: false });
    const told = ['--minutes', '0.5', '--clients', '2', '--containerd', '1.7'];
    assert.deepEqual(parseOptions(told), { minutes: 0.5, clients: 2, containerd: '1.7', help: false });
  });

  it('are refused by name when they make no sense', () => {
    for (const [option, value] of [
      ['--minutes', '0'],
      ['--minutes', 'many'],
      ['--clients', '1'],
      ['--clients', '2.5'],
      ['--containerd', '3.0'],
    ] as const)
      assert.throws(() => parseOptions([option, value]), { message: new RegExp(`^${option} ${value}: `) });
  });
});
