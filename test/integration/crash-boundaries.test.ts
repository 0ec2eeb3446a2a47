import { describe } from 'node:test';
import { sandboxUnavailable } from '../sandbox/available.ts';
import { skipWithout } from '../sandbox/components.ts';
import { describeBoundaries } from './crash/boundaries.ts';

const skip = sandboxUnavailable() ?? (await skipWithout('debian-trixie'));

describe('kill -9 of the daemon', { skip }, () => {
  describeBoundaries((kills) => kills);
});
