import assert from 'node:assert/strict';
import { it } from 'node:test';
import { lineDiff } from '../../../src/setup/line-diff.ts';

const LINES = Array.from({ length: 20 }, (_, at) => `line ${at + 1}`);

it('a diff shows changed lines with three lines around them, as diff -u does', () => {
  const after = LINES.toSpliced(4, 1, 'new').toSpliced(18, 0, 'added');
  assert.equal(
    lineDiff(`${LINES.join('\n')}\n`, `${after.join('\n')}\n`),
    `@@ -2,7 +2,7 @@
 line 2
 line 3
 line 4
-line 5
+new
 line 6
 line 7
 line 8
@@ -16,5 +16,6 @@
 line 16
 line 17
 line 18
+added
 line 19
 line 20
`,
  );
});

it('files that come, go, or stay', () => {
  assert.equal(lineDiff('', 'a\nb\n'), '@@ -0,0 +1,2 @@\n+a\n+b\n');
  assert.equal(lineDiff('a\n', ''), '@@ -1,1 +0,0 @@\n-a\n');
  assert.equal(lineDiff('a\n', 'a\n'), '');
});

it('without context the changed lines alone are shown, those beside each other together', () => {
  assert.equal(
    lineDiff('a\nb\nc\nd\n', 'a\nB\nc\nd\ne\n', 0),
    '@@ -2,1 +2,1 @@\n-b\n+B\n@@ -4,0 +5,1 @@\n+e\n',
  );
});
