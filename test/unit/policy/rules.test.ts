import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { STORE_DIR, type StorePath } from '../../../src/closure/store-path.ts';
import { evaluate, type Facts, type Rule } from '../../../src/policy/rules.ts';

const named = (name: string) => `${STORE_DIR}/${'0'.repeat(32)}-${name}` as StorePath;
const HELLO = named('hello');
const GCC = named('gcc');
const LIBC = named('libc');

const facts = (changes: Partial<Facts> = {}): Facts => ({
  image: { reference: 'registry.corp/team/app:v1' },
  paths: [HELLO, LIBC],
  bytes: 100,
  complete: true,
  ...changes,
});
const rule = (changes: Partial<Rule>): Rule => ({ name: 'one', action: 'deny', ...changes });

describe('rules', () => {
  it('are tried in order; the first that matches decides, then the default', () => {
    const allow = rule({ name: 'ours', action: 'allow', image: ['registry.corp/*'] });
    const deny = rule({ name: 'rest' });
    assert.deepEqual(evaluate([allow, deny], 'deny', facts()), { kind: 'allow', rule: allow });
    assert.deepEqual(evaluate([deny, allow], 'allow', facts()), {
      kind: 'deny',
      match: { rule: deny, path: undefined },
    });
    assert.deepEqual(evaluate([], 'allow', facts()), { kind: 'allow', rule: undefined });
    assert.deepEqual(evaluate([], 'deny', facts()), { kind: 'deny', match: undefined });
  });

  it('name images with or without the tag', () => {
    for (const image of ['registry.corp/team/app', 'registry.corp/team/app:v1', '*/app', '*']) {
      assert.equal(evaluate([rule({ image: [image] })], 'allow', facts()).kind, 'deny', image);
    }
    assert.equal(evaluate([rule({ image: ['registry.corp'] })], 'allow', facts()).kind, 'allow');
  });

  it('that deny look for one path, those that allow at every path', () => {
    const deny = rule({ path: ['*-gcc'] });
    assert.equal(evaluate([deny], 'allow', facts()).kind, 'allow');
    assert.deepEqual(evaluate([deny], 'allow', facts({ paths: [HELLO, GCC] })), {
      kind: 'deny',
      match: { rule: deny, path: GCC },
    });
    const allow = rule({ action: 'allow', path: ['*-hello', '*-libc'] });
    assert.equal(evaluate([allow], 'deny', facts()).kind, 'allow');
    assert.equal(evaluate([allow], 'deny', facts({ paths: [HELLO, GCC] })).kind, 'deny');
  });

  it('of a size match what is larger, whatever they do', () => {
    for (const action of ['allow', 'deny'] as const) {
      const larger = rule({ action, largerThan: 100 });
      const otherwise = action === 'allow' ? 'deny' : 'allow';
      assert.equal(evaluate([larger], otherwise, facts({ bytes: 101 })).kind, action);
      assert.equal(evaluate([larger], otherwise, facts()).kind, otherwise);
    }
  });

  it('with several conditions match where all do', () => {
    const both = rule({ image: ['registry.corp/*'], path: ['*-gcc'], largerThan: 50 });
    assert.equal(evaluate([both], 'allow', facts({ paths: [GCC] })).kind, 'deny');
    assert.equal(evaluate([both], 'allow', facts({ paths: [GCC], bytes: 50 })).kind, 'allow');
    assert.equal(evaluate([both], 'allow', facts()).kind, 'allow');
  });

  it('take an image that nobody knows against what asks for it, or leave rules out that ask', () => {
    const deny = rule({ image: ['evil.corp/*'] });
    const allow = rule({ action: 'allow', image: ['*'] });
    assert.equal(evaluate([deny], 'allow', facts({ image: 'unknown' })).kind, 'deny');
    assert.equal(evaluate([allow], 'deny', facts({ image: 'unknown' })).kind, 'deny');
    assert.equal(evaluate([deny], 'allow', facts({ image: 'skipped' })).kind, 'allow');
    assert.equal(evaluate([allow], 'deny', facts({ image: 'skipped' })).kind, 'deny');
  });

  const patterns = fc.array(fc.constantFrom('*', '*-gcc', '*-hello', '*-l*'), { minLength: 1, maxLength: 2 });
  const anyRule: fc.Arbitrary<Rule> = fc.record({
    name: fc.constant('any'),
    action: fc.constantFrom('allow', 'deny'),
    image: fc.option(fc.constantFrom(['*'], ['registry.corp/*'], ['evil/*']), { nil: undefined }),
    path: fc.option(patterns, { nil: undefined }),
    largerThan: fc.option(fc.nat({ max: 200 }), { nil: undefined }),
  });
  const anyFacts: fc.Arbitrary<Facts> = fc.record({
    image: fc.constantFrom<Facts['image'][]>('unknown', 'skipped', { reference: 'registry.corp/a:1' }),
    paths: fc.subarray([HELLO, GCC, LIBC]),
    bytes: fc.nat({ max: 200 }),
    complete: fc.constant(true),
  });

  it('say before all is known nothing that more facts would change', () => {
    fc.assert(
      fc.property(
        fc.array(anyRule, { maxLength: 5 }),
        fc.constantFrom('allow' as const, 'deny' as const),
        anyFacts,
        fc.nat(3),
        fc.nat(200),
        (rules, otherwise, known, paths, bytes) => {
          const early: Facts = {
            ...known,
            paths: known.paths.slice(0, paths),
            bytes: Math.min(bytes, known.bytes),
            complete: false,
          };
          const before = evaluate(rules, otherwise, early);
          const after = evaluate(rules, otherwise, known);
          assert.notEqual(after.kind, 'undecided');
          if (before.kind !== 'undecided') assert.equal(before.kind, after.kind);
        },
      ),
      { numRuns: 3000 },
    );
  });

  it('that deny are never passed by naming more paths or more bytes', () => {
    fc.assert(
      fc.property(
        fc.array(
          anyRule.map((each): Rule => ({ ...each, action: 'deny' })),
          { maxLength: 5 },
        ),
        anyFacts,
        fc.nat(100),
        (rules, known, further) => {
          if (evaluate(rules, 'allow', known).kind !== 'deny') return;
          const more = { ...known, paths: [HELLO, GCC, LIBC], bytes: known.bytes + further };
          assert.equal(evaluate(rules, 'allow', more).kind, 'deny');
        },
      ),
    );
  });
});
