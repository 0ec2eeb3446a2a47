import { ordinaryLayersSuite } from './clients/ordinary-layers.ts';
import { inFull, matrix } from './support/matrix.ts';

for (const row of await matrix(['1.7', '2.3', ...inFull('2.4')], ['engines'])) ordinaryLayersSuite(row);
