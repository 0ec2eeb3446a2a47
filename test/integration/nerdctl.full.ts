import { nerdctlSuite } from './clients/nerdctl.ts';
import { matrix } from './support/matrix.ts';

for (const row of await matrix(['2.1', '2.4'], ['nerdctl'])) nerdctlSuite(row);
