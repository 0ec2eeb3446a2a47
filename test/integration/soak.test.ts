import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { judge } from '../soak/goals.ts';
import { report } from '../soak/report.ts';
import { soak } from '../soak/soak.ts';
import { matrix } from './support/matrix.ts';

/** A part of `npm run soak`, in milliseconds. */
const PART = 20_000;

for (const row of await matrix(['2.3'])) {
  describe(`8 clients for ${PART / 1000} s on containerd ${row.title}`, { skip: row.skip }, () => {
    it('nothing fails, and nothing is left', async (t) => {
      const result = await soak({ row, clients: 8, milliseconds: PART, log: (line) => t.diagnostic(line) });
      t.diagnostic(`\n${report(result)}`);
      assert.deepEqual(result.failures, []);
      assert.deepEqual(
        judge(result).filter(({ met }) => !met),
        [],
      );
    });
  });
}
