import { nerdctlSuite } from './clients/nerdctl.ts';
import { matrix } from './support/matrix.ts';

for (const row of await matrix(['1.7', '2.3'], ['nerdctl'])) nerdctlSuite(row);
