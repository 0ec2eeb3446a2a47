import { matrix } from './support/matrix.ts';
import { CommandLines } from './troubleshooting/clients.ts';
import { snapshotterDown } from './troubleshooting/snapshotter-down.ts';
import { troubleshootingSuite } from './troubleshooting/suite.ts';

for (const row of await matrix(['2.4'], ['nerdctl', 'crictl']))
  troubleshootingSuite(row, ({ rig }) => new CommandLines(rig), snapshotterDown);
