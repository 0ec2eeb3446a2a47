import { describe } from 'node:test';
import { describeBoundaries, KILL } from './crash/boundaries.ts';
import { POWER_LOSS } from './crash/power-loss.ts';

describe('a crash at every boundary of every operation', () => {
  describeBoundaries(KILL);
  describeBoundaries(POWER_LOSS);
});
