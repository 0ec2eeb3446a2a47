import type { Containerd } from '../../../test/sandbox/containerd.ts';
import { ensureTool } from '../../../test/sandbox/go-tools.ts';
import { Cluster } from '../../../test/sandbox/kubernetes/cluster.ts';
import type { NodeShell } from '../node-shell.ts';

/** Starts a real Kubernetes on the node and puts kubectl into its PATH. */
export async function startCluster(shell: NodeShell, containerd: Containerd): Promise<void> {
  const { node, report } = shell;
  const say = (line: string): void => report.say(line);
  for (const tool of ['etcd', 'kubernetes'] as const) await ensureTool(tool, say);
  const cluster = await report.timed(
    'etcd, API server, controller manager, scheduler and kubelet, until the node is ready',
    async () => await Cluster.up(node, containerd),
  );
  const script = `#!/bin/sh\nexec ${cluster.kubectlCommand.join(' ')} "$@"\n`;
  await node.writeFile('/usr/local/bin/kubectl', script, 0o755);
  await shell.run(['kubectl', 'get', 'nodes']);
}
