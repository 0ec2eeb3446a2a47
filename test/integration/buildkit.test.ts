import { buildkitSuite } from './clients/buildkit.ts';
import { matrix } from './support/matrix.ts';

for (const row of await matrix(['1.7', '2.3'], ['nerdctl', 'buildkit'])) buildkitSuite(row);
