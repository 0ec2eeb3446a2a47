import { describeFuzzing } from './fuzz/describe.ts';

// Always the same, so that what fails is the change that is tested; fuzz.full.ts looks for what is new.
describeFuzzing({ seconds: 30, seed: 1 });
