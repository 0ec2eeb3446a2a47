import { describeFuzzing } from './fuzz/describe.ts';

describeFuzzing(30);
