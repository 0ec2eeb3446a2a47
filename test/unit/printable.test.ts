import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { printable } from '../../src/printable.ts';

it('escapes what a terminal acts on, and leaves the rest and newlines as they are', () => {
  assert.equal(
    printable('a\u001b[2J\u009b31m\r\u007f\u202eb\n'),
    'a\\u001b[2J\\u009b31m\\u000d\\u007f\\u202eb\n',
  );
  assert.equal(printable('/nix/store/é ключ 名 🙂\n"x"'), '/nix/store/é ключ 名 🙂\n"x"');
});

it('keeps JSON what it is', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const line = printable(JSON.stringify({ text }));
      assert.deepEqual(JSON.parse(line), { text });
      assert.equal(printable(line), line);
    }),
  );
});
