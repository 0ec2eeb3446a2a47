import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseRegistration } from '../../../src/nix/registration.ts';

const path = (name: string) => `/nix/store/${'0'.repeat(32)}-${name}`;
const entry = (name: string, deriver: string, references: readonly string[]): string =>
  [path(name), 'a'.repeat(64), '120', deriver, references.length, ...references.map(path), ''].join('\n');

describe('parseRegistration', () => {
  it('reads what each path refers to', () => {
    const text = entry('a', '', []) + entry('b', path('b.drv'), ['a', 'b']);
    assert.deepEqual(
      parseRegistration(text),
      new Map([
        [path('a'), []],
        [path('b'), [path('a'), path('b')]],
      ]),
    );
    assert.deepEqual(parseRegistration(''), new Map());
  });

  for (const [what, text, line] of [
    ['what is no path', 'hello\n', 1],
    ['a number that is none', entry('a', '', []).replace(/^0$/m, 'many'), 5],
    ['a reference that is no path', entry('a', '', ['b']).replace(path('b'), '../b'), 6],
    ['an end in the middle', entry('a', '', ['b']).split('\n').slice(0, 5).join('\n'), 6],
  ] as const) {
    it(`refuses ${what}`, () => {
      assert.throws(() => parseRegistration(text), {
        code: 'Internal',
        message: `nix-store --dump-db: line ${line} is not what is expected there`,
      });
    });
  }
});
