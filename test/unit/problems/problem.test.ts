import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { StatusError } from '../../../src/errors.ts';
import { PROBLEMS } from '../../../src/problems/definitions.ts';
import { nextStepOf, problemError } from '../../../src/problems/problem.ts';

describe('problems', () => {
  for (const [id, { sentence }] of Object.entries(PROBLEMS)) {
    it(`${id}: one sentence that no client escapes, with what to do at its end`, () => {
      assert.match(sentence, /^(\{path\}|nix-snapshotter) [^"\\\n]+; [^;"\\\n]+$/);
    });
  }

  it('are all told in other words', () => {
    const causes = Object.values(PROBLEMS).map(({ sentence }) => sentence);
    assert.equal(new Set(causes).size, causes.length);
  });

  it('are errors with the section of the documentation and the details behind the sentence', () => {
    const error = problemError('login', { path: '/nix/store/x', cache: 'https://c' }, { details: 'more' });
    assert.ok(error instanceof StatusError);
    assert.equal(error.code, 'PermissionDenied');
    assert.equal(error.problem, 'login');
    assert.equal(
      error.message,
      '/nix/store/x cannot be fetched: the cache https://c asks for a login (HTTP 401); put one into the netrc-file of Nix ' +
        '(/etc/nix/netrc), then pull again [troubleshooting: login; more]',
    );
  });

  it('keep to one line without quotes, whatever the facts hold', () => {
    const path = `/nix/store/\u001B[31mx"\\\n\u2028 y${'z'.repeat(2000)}`;
    const { message } = problemError('unsigned', { path, cache: 'c{path}' });
    assert.doesNotMatch(message, /["\\\p{Cc}\p{Zl}]/u);
    assert.ok(message.length < 600);
    assert.ok(message.includes('c{path}'), 'a fact is no template');
  });

  it('say what to do where the sentence is not fit', () => {
    assert.equal(nextStepOf('disk-full'), 'free space (nix-collect-garbage), then pull again');
  });
});
