import { dockerdSuite } from './clients/dockerd.ts';
import { matrix } from './support/matrix.ts';

for (const row of await matrix(['1.7', '2.3'], ['engines'])) dockerdSuite(row);
