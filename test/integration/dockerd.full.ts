import { dockerdSuite } from './clients/dockerd.ts';
import { matrix } from './support/matrix.ts';

for (const row of await matrix(['2.4'], ['engines'])) dockerdSuite(row);
