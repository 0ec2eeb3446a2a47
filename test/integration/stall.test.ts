import { describe } from 'node:test';
import { matrix } from './support/matrix.ts';
import { describeStalls } from './support/stall.ts';

const rows = await matrix(['1.7', '2.3']);
// Each row waits most of its time, on a node of its own.
describe('a realise that takes long', { concurrency: rows.length }, () => {
  for (const row of rows) describeStalls(row, 5000);
});
