import { describe } from 'node:test';
import { sandboxUnavailable } from '../sandbox/available.ts';
import { skipWithout } from '../sandbox/components.ts';
import { describeBoundaries, eachTransition, KILL } from './crash/boundaries.ts';
import { POWER_LOSS } from './crash/power-loss.ts';

const skip = sandboxUnavailable() ?? (await skipWithout('debian-trixie'));

/** Of those that change what must be durable. */
const LOSSES = [
  'Prepare of a Nix layer',
  'Prepare of a container on an interleaved chain',
  'Commit of a Nix layer',
  'Update',
  'Remove of a Nix layer',
];

/** `crash-boundaries.full.ts` has every boundary of every operation. */
describe('a crash', { skip }, () => {
  describeBoundaries(KILL, { choose: eachTransition });
  describeBoundaries(POWER_LOSS, {
    operations: LOSSES,
    choose: (kills) => kills.filter(({ crossing }) => crossing.line.startsWith('after')),
  });
});
