import { layeredSuite } from './clients/layered.ts';
import { matrix } from './support/matrix.ts';

for (const row of await matrix(['2.1', '2.3'], ['engines', 'nerdctl'])) layeredSuite(row);
