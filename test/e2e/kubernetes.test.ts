import { matrix } from '../integration/support/matrix.ts';
import { kubernetesSuite } from './kubernetes/suite.ts';

for (const row of await matrix(['2.3'], ['crictl', 'etcd', 'kubernetes'])) kubernetesSuite(row);
