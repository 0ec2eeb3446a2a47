import { inFull, matrix } from '../integration/support/matrix.ts';
import { kubernetesSuite } from './kubernetes/suite.ts';

for (const row of await matrix(['2.3', ...inFull('1.7', '2.1', '2.4')], ['crictl', 'etcd', 'kubernetes']))
  kubernetesSuite(row);
