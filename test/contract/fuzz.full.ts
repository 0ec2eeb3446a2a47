import { TARGETS } from '../fuzz/targets.ts';
import { describeFuzzing } from './fuzz/describe.ts';

const seed = Math.floor(Math.random() * 2 ** 32);
const names = Object.keys(TARGETS);

// Two at a time: so none takes longer than the runner lets a test.
for (let at = 0; at < names.length; at += 2)
  describeFuzzing({ targets: names.slice(at, at + 2), seconds: 600, seed });
