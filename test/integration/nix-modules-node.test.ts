import { describeNode } from './nix-modules/describe-node.ts';
import { inFull, matrix } from './support/matrix.ts';

// The file is of version 2, whatever containerd is.
for (const row of await matrix(['2.3', ...inFull('1.7', '2.1', '2.4')], ['nerdctl', 'crictl']))
  describeNode(row);
