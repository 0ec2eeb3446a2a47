import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { compareCritest } from './critest/compare.ts';
import { matrix } from './support/matrix.ts';

/** The part of critest that depends on a snapshotter most; the whole is in `critest.full.ts`. */
const FOCUS = [
  'Image Manager',
  'Image Consistency',
  'Image Identifier Consistency',
  'runtime should support starting container with volume',
  'listing stats for started containers',
  'should support RunAsUserName',
  'SupplementalGroupsPolicy',
  'ReadOnlyRootfs',
  'NoNewPrivs',
];
const TESTS = 25;

for (const row of await matrix(['2.3'], ['critest'])) {
  describe(`a part of critest on containerd ${row.title}`, { skip: row.skip }, () => {
    it(`fails nowhere where overlayfs does not, ${TESTS} tests: ${FOCUS.join(', ')}`, async (t) => {
      const { ours, onlyOurs } = await compareCritest({ row, focus: FOCUS }, (line) => t.diagnostic(line));
      assert.equal(ours.passed.length + ours.failed.size, TESTS);
      assert.deepEqual(onlyOurs, []);
    });
  });
}
