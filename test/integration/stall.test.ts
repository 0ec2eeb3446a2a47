import { matrix } from './support/matrix.ts';
import { describeStalls } from './support/stall.ts';

for (const row of await matrix(['1.7', '2.3'])) describeStalls(row, 20_000);
