import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RE2JS } from 're2js';
import { goReplaceAll } from '../../../src/store-image/go-replace.ts';

/** What Go's `regexp.MustCompile(…).ReplaceAllString(…)` gives. */
const REPLACED = [
  ['^/a/(b)', '/a/b/c', '/x/$1', '/x/b/c'],
  ['^/a/(b)', '/a/b/c', '/x/${1}y', '/x/by/c'],
  ['^/a/(b)', '/a/b/c', '/x/$1y', '/x//c'],
  ['(?P<last>c)$', '/a/b/c', '$last-${last}', '/a/b/c-c'],
  ['(?P<last>c)$', '/a/b/c', '$last_', '/a/b/'],
  ['(a)(z)?', 'a', '[$0$1$2]', '[aa]'],
  ['a', 'a', '$9', ''],
  ['a', 'a', '$absent.$constructor', '.'],
  ['(a)', 'a', '$01', ''],
  ['(a)', 'a', '$$1', '$1'],
  ['(a)', 'a', '$$$1', '$a'],
  ['(a)', 'a', '$$$$', '$$'],
  ['a', 'a', '$', '$'],
  ['a', 'a', '$$', '$'],
  ['a', 'a', 'x$-$ ${} ${a', 'x$-$ ${} ${a'],
  ['a', 'a', '${a b}', '${a b}'],
  ['a', 'a', '$é', ''],
  ['a', 'a', '\\1 \\$1', '\\1 \\'],
  ['a', 'a', '$99999999999', ''],
  ['b*', 'abc', '-', '-a-c-'],
  ['', 'ab', '-', '-a-b-'],
  ['x', 'abc', '-', 'abc'],
] as const;

describe('goReplaceAll', () => {
  for (const [expression, text, template, replaced] of REPLACED) {
    it(`${expression} in ${text} by ${template}`, () => {
      assert.equal(goReplaceAll(RE2JS.compile(expression), text, template), replaced);
    });
  }
});
