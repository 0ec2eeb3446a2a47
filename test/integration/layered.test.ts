import { layeredSuite } from './clients/layered.ts';
import { matrix } from './support/matrix.ts';

for (const row of await matrix(['1.7', '2.4'], ['engines', 'nerdctl'])) layeredSuite(row);
