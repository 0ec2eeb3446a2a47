import { describeFuzzing } from './fuzz/describe.ts';

describeFuzzing(600);
