import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { StatusError } from '../../../src/errors.ts';
import { MAX_PATHS_OF_REQUEST, parseRequest } from '../../../src/view-helper/request.ts';

const HASH = '0123456789abcdfghijklmnpqrsvwxyz';
const path = (name: string) => `/nix/store/${HASH}-${name}`;

const refused = (message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof StatusError);
  assert.equal(error.code, 'InvalidArgument');
  assert.match(error.message, message);
  return true;
};

describe('parseRequest', () => {
  it('sorts, and takes each path once', () => {
    assert.deepEqual(parseRequest([path('b'), path('a'), path('b')]), [path('a'), path('b')]);
  });

  it('refuses everything that is not exactly a store path, and repeats nothing of it', () => {
    const bad = [
      '',
      '/',
      '/etc/shadow',
      '/nix/store',
      `${HASH}-name`,
      path('a/b'),
      path('a/../../../etc'),
      `${path('a')}/`,
      `${path('a')}\n`,
      `${path('a')}\n${path('b')}`,
      path('a:b'),
      path('a,b'),
      path('a\\b'),
      path('\0'),
      path(''),
      path('x'.repeat(212)),
      `/nix/store/../store/${HASH}-a`,
      '/nix/store/..',
    ];
    for (const text of bad) {
      assert.throws(
        () => parseRequest([path('a'), text]),
        refused(/^store_paths\[1\]: its \d+ characters are/),
      );
    }
  });

  it('refuses none and too many', () => {
    assert.throws(() => parseRequest([]), refused(/not 0/));
    const many = Array.from({ length: MAX_PATHS_OF_REQUEST + 1 }, (_, index) => path(String(index)));
    assert.throws(() => parseRequest(many), refused(/not 20001/));
  });

  it('lets no text through that is another path than the one it names', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const whole = path(text);
        try {
          assert.deepEqual(parseRequest([whole]), [whole]);
          assert.match(text, /^[0-9a-zA-Z+\-._?=]{1,211}$/);
        } catch (error) {
          if (!(error instanceof StatusError)) throw error;
        }
      }),
    );
  });
});
