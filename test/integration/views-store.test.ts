import { ALL_VIEWS, viewMatrix } from './support/matrix.ts';
import { viewSuite } from './views/suite.ts';

for (const row of await viewMatrix(['nerdctl', 'crictl'], { store: ALL_VIEWS.store })) viewSuite(row);
