import { dockerdSuite } from './clients/dockerd.ts';
import { inFull, matrix } from './support/matrix.ts';

for (const row of await matrix(['1.7', ...inFull('2.3', '2.4')], ['engines'])) dockerdSuite(row);
