import { matrix } from './support/matrix.ts';
import { describePolicy } from './support/policy.ts';

for (const row of await matrix(['1.7', '2.1', '2.3'], ['nerdctl', 'crictl'])) describePolicy(row);
