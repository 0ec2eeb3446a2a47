import assert from 'node:assert/strict';
import { it } from 'node:test';
import { fuzz } from '../../fuzz/fuzz.ts';
import { TARGETS } from '../../fuzz/targets.ts';

/** All targets at the same time, for so long; the seed is printed, and `npm run fuzz -- --seed` repeats it. */
export function describeFuzzing(seconds: number): void {
  const seed = Number(process.env['FUZZ_SEED'] ?? Math.floor(Math.random() * 2 ** 32));
  it(`parsers take any bytes, or refuse them in words: ${seconds} s`, async (t) => {
    t.diagnostic(`FUZZ_SEED=${seed}`);
    const results = await fuzz({ targets: Object.keys(TARGETS), seconds, seed });
    for (const { name, inputs, outcomes } of results)
      t.diagnostic(`${name}: ${inputs} inputs, ${outcomes} outcomes`);
    const found = results.flatMap(({ name, found: one }) =>
      one === undefined ? [] : [`${name}: ${one.file}: ${one.error}`],
    );
    assert.deepEqual(found, []);
    for (const { name, inputs } of results) assert.ok(inputs > 0, `${name} was not fed`);
  });
}
