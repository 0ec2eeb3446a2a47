import { matrix } from './support/matrix.ts';
import { CommandLines } from './troubleshooting/clients.ts';
import { snapshotterDown } from './troubleshooting/snapshotter-down.ts';
import { troubleshootingSuite } from './troubleshooting/suite.ts';

for (const row of await matrix(['1.7', '2.1', '2.3'], ['nerdctl', 'crictl']))
  troubleshootingSuite(row, ({ rig }) => new CommandLines(rig), snapshotterDown);
