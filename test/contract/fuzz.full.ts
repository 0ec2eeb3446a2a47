import { describeFuzzing } from './fuzz/describe.ts';

describeFuzzing({ seconds: 600, seed: Math.floor(Math.random() * 2 ** 32) });
