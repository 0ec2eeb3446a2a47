import { matrix } from './support/matrix.ts';
import { describeStalls } from './support/stall.ts';

for (const row of await matrix(['1.7', '2.1', '2.2', '2.3', '2.4'])) describeStalls(row, 60_000);
