import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { cleanText, printable } from '../../src/printable.ts';

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

describe('cleanText', () => {
  it('leaves one line of what a terminal does not act on', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const clean = cleanText(text);
        assert.doesNotMatch(clean, /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/u);
        assert.equal(printable(clean), clean);
      }),
    );
  });

  it('drops colours, window titles and links, and what turns the direction of text', () => {
    assert.equal(cleanText('a\u001b]0;title\u0007b\u001b]8;;http://x\u001b\\c\u001b[31m!'), 'abc!');
    assert.equal(cleanText('a\u202egpj.exe\n\u2066b'), 'a gpj.exe b');
  });
});
