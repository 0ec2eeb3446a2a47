import { layeredSuite } from './clients/layered.ts';
import { inFull, matrix } from './support/matrix.ts';

for (const row of await matrix(['1.7', '2.4', ...inFull('2.1', '2.3')], ['engines', 'nerdctl']))
  layeredSuite(row);
