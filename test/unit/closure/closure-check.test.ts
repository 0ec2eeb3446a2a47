import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ClosureCheck } from '../../../src/closure/closure-check.ts';
import type { StorePath } from '../../../src/closure/store-path.ts';

const [info, one, two] = ['i', 'a', 'b'].map((letter) => `/nix/store/${letter.repeat(32)}-x`) as [
  StorePath,
  StorePath,
  StorePath,
];
const closure = { kind: 'closure-info' as const, path: info };

function checkOf(
  listed: readonly StorePath[],
  direct: readonly StorePath[],
  further: readonly StorePath[] = [],
) {
  const asked: string[] = [];
  const check = new ClosureCheck({
    closures: { pathsOf: () => Promise.resolve(listed) },
    store: {
      references: (path) => {
        asked.push(`references ${path}`);
        return Promise.resolve(new Set(direct));
      },
      closure: (paths) => {
        asked.push(`closure ${paths.join()}`);
        return Promise.resolve([info, ...direct, ...further]);
      },
    },
  });
  return { check, asked };
}

describe('ClosureCheck', () => {
  it('passes a list of direct references by one question, once', async () => {
    const { check, asked } = checkOf([one], [one, two]);
    await check.check(closure);
    await check.check(closure);
    assert.deepEqual(asked, [`references ${info}`]);
  });
  it('walks the closure for a list that has more, and passes what is in it', async () => {
    const { check, asked } = checkOf([info, one, two], [one], [two]);
    await check.check(closure);
    assert.deepEqual(asked, [`references ${info}`, `closure ${info}`]);
  });
  it('refuses a list that names more, each time', async () => {
    const { check } = checkOf([one, two], [one]);
    const refusal = {
      code: 'InvalidArgument',
      message: new RegExp(`${info} lists ${two} but does not refer`),
    };
    await assert.rejects(check.check(closure), refusal);
    await assert.rejects(check.check(closure), refusal);
  });
  it('asks nothing about paths that labels name: all of them are rooted', async () => {
    const { check, asked } = checkOf([], []);
    await check.check({ kind: 'paths', paths: [one] });
    assert.deepEqual(asked, []);
  });
});
