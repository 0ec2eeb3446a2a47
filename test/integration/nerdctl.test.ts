import { nerdctlSuite } from './clients/nerdctl.ts';
import { inFull, matrix } from './support/matrix.ts';

for (const row of await matrix(['1.7', '2.3', ...inFull('2.1', '2.4')], ['nerdctl'])) nerdctlSuite(row);
