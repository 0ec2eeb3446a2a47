import { matrix } from './support/matrix.ts';
import { troubleshootingSuite } from './troubleshooting/suite.ts';

for (const row of await matrix(['2.4'], ['nerdctl', 'crictl'])) troubleshootingSuite(row);
