import { ordinaryLayersSuite } from './clients/ordinary-layers.ts';
import { matrix } from './support/matrix.ts';

for (const row of await matrix(['2.4'], ['engines'])) ordinaryLayersSuite(row);
