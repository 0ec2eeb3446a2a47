import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { keptSeeds } from '../../fuzz/fuzz.ts';
import { mutate } from '../../fuzz/mutate.ts';
import { Random } from '../../fuzz/target.ts';
import { TARGETS } from '../../fuzz/targets.ts';

describe('inputs of the fuzz targets', () => {
  for (const [name, target] of Object.entries(TARGETS)) {
    it(`${name}: legal ones, and all that once found something`, async () => {
      for (const seed of target.seeds) await target.check(Buffer.from(seed));
      for (const [file, seed] of await keptSeeds(name)) {
        assert.ok(seed.length <= 64 * 1024, file);
        await target.check(seed);
      }
    });
  }

  it('are the same again for the same seed', () => {
    const inputs = (seed: number) => {
      const random = new Random(seed);
      const generated = Object.values(TARGETS).map(({ generate }) => Buffer.from(generate?.(random) ?? ''));
      return generated.map((input) => mutate(random, input, Buffer.from('other')).toString('hex'));
    };
    assert.deepEqual(inputs(7), inputs(7));
    assert.notDeepEqual(inputs(7), inputs(8));
  });
});
