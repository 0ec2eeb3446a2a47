import { inFull, matrix } from '../integration/support/matrix.ts';
import { troubleshootingSuite } from '../integration/troubleshooting/suite.ts';
import { Kubelet } from './troubleshooting/kubelet.ts';

const NEEDS = ['crictl', 'etcd', 'kubernetes'] as const;

for (const row of await matrix(['2.4', ...inFull('1.7', '2.3')], NEEDS))
  troubleshootingSuite(row, async (world) => await Kubelet.up(world));
