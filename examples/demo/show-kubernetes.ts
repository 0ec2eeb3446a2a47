import { importPause } from '../../test/integration/support/pod.ts';
import { RESOLVER_CONFIG, useResolver } from '../../test/integration/support/resolver-hosts.ts';
import type { NodeShell } from './node-shell.ts';
import type { DemoOptions } from './options.ts';
import { moveToCache } from './steps/cache.ts';
import { startCluster } from './steps/cluster.ts';
import { askRedis, deployRedis, explainPull } from './steps/deployment.ts';
import { explainKept } from './steps/keep.ts';
import { describeNode, startServices } from './steps/node.ts';
import { makeRedis } from './steps/packages.ts';

export const KUBERNETES_INTRODUCTION =
  'A pod names a store path as its image. There is no image to build and no registry: when the kubelet pulls, the ' +
  'node has Nix fetch the closure, and the container runs from those files.';

/** A Deployment of redis from its store path, on a one-node Kubernetes. */
export async function showKubernetes(shell: NodeShell, { keep }: DemoOptions): Promise<void> {
  const { node, report } = shell;
  const services = await startServices(node, report, { version: '2.3', cri: true, config: RESOLVER_CONFIG });
  await useResolver({ node, ...services });
  await importPause({ node, ...services });
  report.say(describeNode(node, services.containerd));
  report.say(
    'nix-snapshotter also answers as a registry on the loopback, and hosts.toml sends every image named ' +
      '"nix:0/…" there.',
  );

  report.begin('A Kubernetes of one node');
  await startCluster(shell, services.containerd);

  report.begin('A program, built by Nix');
  const redis = await makeRedis(node, report);

  report.begin('A binary cache has its store paths, the node has none');
  const meter = await moveToCache(shell, [redis]);

  report.begin('A Deployment whose image is the store path');
  await deployRedis(shell, redis);

  report.begin('It answers');
  await askRedis(shell);

  report.begin('What the pull was');
  await explainPull(shell, redis, meter);

  if (!keep) return;
  report.begin('Over to you');
  explainKept(shell, [
    'kubectl get pods -o wide',
    'kubectl describe deployment redis',
    'kubectl exec -it deployment/redis -- redis-cli',
    'kubectl scale deployment/redis --replicas=3',
    'nix-snapshotter status',
    'tail /var/log/kubelet.log',
  ]);
}
