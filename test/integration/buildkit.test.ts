import { buildkitSuite } from './clients/buildkit.ts';
import { inFull, matrix } from './support/matrix.ts';

for (const row of await matrix(['2.3', ...inFull('1.7', '2.1', '2.4')], ['nerdctl', 'buildkit']))
  buildkitSuite(row);
