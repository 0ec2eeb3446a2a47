import { describeNode } from './nix-modules/describe-node.ts';
import { matrix } from './support/matrix.ts';

for (const row of await matrix(['1.7', '2.1', '2.4'], ['nerdctl', 'crictl'])) describeNode(row);
