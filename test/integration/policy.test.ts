import { matrix } from './support/matrix.ts';
import { describePolicy, ONE_EACH } from './support/policy.ts';

for (const row of await matrix(['2.4'], ['nerdctl', 'crictl'])) describePolicy(row, ONE_EACH);
