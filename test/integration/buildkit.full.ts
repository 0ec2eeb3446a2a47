import { buildkitSuite } from './clients/buildkit.ts';
import { matrix } from './support/matrix.ts';

for (const row of await matrix(['2.1', '2.4'], ['nerdctl', 'buildkit'])) buildkitSuite(row);
