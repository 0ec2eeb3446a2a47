import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { matchesAny, matchesGlob } from '../../../src/policy/glob.ts';

const text = fc.string({ unit: fc.constantFrom('a', 'b', '/'), maxLength: 12 });
const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '/', '*'), maxLength: 8 });

describe('patterns', () => {
  it('match as the same expression does', () => {
    fc.assert(
      fc.property(pattern, text, (glob, subject) => {
        const expression = new RegExp(`^${glob.replaceAll('*', '[^]*')}$`);
        assert.equal(matchesGlob(glob, subject), expression.test(subject));
      }),
      { numRuns: 2000 },
    );
  });

  it('take what expressions take for more than itself for itself', () => {
    assert.ok(matchesGlob('a.b+c', 'a.b+c'));
    assert.ok(!matchesGlob('a.b', 'axb'));
    assert.ok(!matchesGlob('a?', 'ab'));
    assert.ok(!matchesGlob('a*', 'b\na'));
  });

  it('answer where an expression would try for ever', () => {
    const parts = 500;
    assert.ok(!matchesGlob(`${'a*'.repeat(parts)}b`, 'a'.repeat(parts * 100)));
  });

  it('match when one of several does', () => {
    assert.ok(matchesAny(['x', 'b*'], ['a', 'bc']));
    assert.ok(!matchesAny(['x'], ['a', 'bc']));
    assert.ok(!matchesAny([], ['a']));
  });
});
