import { describeNode } from './nix-modules/describe-node.ts';
import { matrix } from './support/matrix.ts';

// The file is of version 2, whatever containerd is.
for (const row of await matrix(['2.3'], ['nerdctl', 'crictl'])) describeNode(row);
