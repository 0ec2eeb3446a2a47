import { describePulls } from './support/cri-pulls.ts';
import { matrix } from './support/matrix.ts';

for (const row of await matrix(['1.7', '2.1', '2.2', '2.3', '2.4']))
  describePulls(row, { pulls: 50, busy: true });
