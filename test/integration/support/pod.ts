import type { Rig } from './rig.ts';

/** A pod with one container, through CRI. */
export interface Pod extends AsyncDisposable {
  /** Output of a command in its container. */
  exec(command: readonly string[]): Promise<string>;
}

/** Starts a container of an image that is there, in a pod on the host's network. */
export async function runPod({ node, containerd }: Rig, image: string): Promise<Pod> {
  const pod = '/tmp/pod.json';
  const container = '/tmp/container.json';
  // 2 is the node's own network name space (CRI `NamespaceMode`).
  const linux = { security_context: { namespace_options: { network: 2 } } };
  await node.writeFile(pod, JSON.stringify({ metadata: { name: 'pod', uid: 'u', namespace: 'n' }, linux }));
  await node.writeFile(
    container,
    JSON.stringify({ metadata: { name: 'main' }, image: { image }, command: ['sleep', '1000'] }),
  );
  const podId = (await containerd.crictl(['runp', pod])).stdout;
  const id = (await containerd.crictl(['create', '--no-pull', podId, container, pod])).stdout;
  await containerd.crictl(['start', id]);
  return {
    async exec(command) {
      return (await containerd.crictl(['exec', id, ...command])).stdout;
    },
    async [Symbol.asyncDispose]() {
      await containerd.crictl(['rmp', '--force', podId]);
    },
  };
}
