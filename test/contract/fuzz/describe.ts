import assert from 'node:assert/strict';
import { it } from 'node:test';
import { fuzz } from '../../fuzz/fuzz.ts';

export interface Fuzzing {
  /** Their names. */
  readonly targets: readonly string[];
  /** How long each of them is fed. */
  readonly seconds: number;
  /** Printed; `npm run fuzz -- --seed` repeats it. */
  readonly seed: number;
}

/** Feeds parsers; FUZZ_SEED takes the place of the seed. */
export function describeFuzzing({ targets, seconds, seed: given }: Fuzzing): void {
  const seed = Number(process.env['FUZZ_SEED'] ?? given);
  it(`parsers take any bytes, or refuse them in words: ${seconds} s each, ${targets.join(', ')}`, async (t) => {
    t.diagnostic(`FUZZ_SEED=${seed}`);
    const results = await fuzz({ targets, seconds, seed });
    for (const { name, inputs, outcomes } of results)
      t.diagnostic(`${name}: ${inputs} inputs, ${outcomes} outcomes`);
    const found = results.flatMap(({ name, found: one }) =>
      one === undefined ? [] : [`${name}: ${one.file}: ${one.error}`],
    );
    assert.deepEqual(found, []);
    for (const { name, inputs } of results) assert.ok(inputs > 0, `${name} was not fed`);
  });
}
