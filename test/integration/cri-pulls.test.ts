import { describePulls } from './support/cri-pulls.ts';
import { inFull, matrix } from './support/matrix.ts';

for (const row of await matrix(['1.7', '2.4', ...inFull('2.1', '2.2', '2.3')]))
  describePulls(row, { pulls: 50, busy: true });
