import { matrix } from './support/matrix.ts';
import { troubleshootingSuite } from './troubleshooting/suite.ts';

for (const row of await matrix(['1.7', '2.1', '2.3'], ['nerdctl', 'crictl'])) troubleshootingSuite(row);
