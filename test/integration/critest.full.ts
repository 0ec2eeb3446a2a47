import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { compareCritest } from './critest/compare.ts';
import { matrix } from './support/matrix.ts';

/** A run without more passed tests than this is broken, whatever it says of the rest. */
const AT_LEAST = 80;

/** All of critest, with our snapshotter and with containerd's own: about five minutes for each containerd. */
for (const row of await matrix(['1.7', '2.3', '2.4'], ['critest'])) {
  describe(`critest on containerd ${row.title}`, { skip: row.skip }, () => {
    it('fails nowhere where overlayfs does not', async (t) => {
      const options = { row, always: true };
      const { ours, overlayfs, onlyOurs } = await compareCritest(options, (line) => t.diagnostic(line));
      assert.ok(ours.passed.length >= AT_LEAST);
      assert.ok(overlayfs !== undefined && overlayfs.passed.length >= AT_LEAST);
      assert.deepEqual(onlyOurs, []);
    });
  });
}
