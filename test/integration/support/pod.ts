import { randomUUID } from 'node:crypto';
import { pauseArchive } from '../../fixtures/images.ts';
import type { Rig } from './rig.ts';

/** A pod with one container, through CRI. */
export interface Pod extends AsyncDisposable {
  /** Output of a command in its container. */
  exec(command: readonly string[]): Promise<string>;
}

export interface PodOptions {
  /** Of the container, as CRI's `Mount`s. */
  readonly mounts?: readonly object[];
  /** Of the container, as CRI's `LinuxContainerSecurityContext`. */
  readonly security?: Readonly<Record<string, unknown>>;
  /** Of pod and container, as CRI's `NamespaceOption`; the node's own network unless told. */
  readonly namespaces?: Readonly<Record<string, unknown>>;
  /** Name of a runtime in containerd's configuration. */
  readonly runtime?: string;
}

/** 2 is the node's own network name space (CRI `NamespaceMode`). */
const NODE_NETWORK = { network: 2 };

/** Puts the image that every pod needs into containerd. */
export async function importPause({ node, containerd }: Pick<Rig, 'node' | 'containerd'>): Promise<void> {
  const flags = ['-n', 'k8s.io', 'image', 'import', '--snapshotter', 'nix'];
  await containerd.ctr([...flags, await pauseArchive(node)]);
}

/** Starts a container of an image that is there, in a pod. What was made of it is removed when it does not start. */
export async function runPod(
  rig: Pick<Rig, 'node' | 'containerd'>,
  image: string,
  options: PodOptions = {},
): Promise<Pod> {
  const { node, containerd } = rig;
  const name = randomUUID();
  const pod = '/tmp/pod.json';
  const container = '/tmp/container.json';
  const security = { namespace_options: options.namespaces ?? NODE_NETWORK };
  await node.writeFile(
    pod,
    JSON.stringify({
      metadata: { name, uid: name, namespace: 'n' },
      linux: { security_context: security },
    }),
  );
  await node.writeFile(
    container,
    JSON.stringify({
      metadata: { name: 'main' },
      image: { image },
      command: ['sleep', '1000'],
      mounts: options.mounts ?? [],
      linux: { security_context: { ...security, ...options.security } },
    }),
  );
  const runtime = options.runtime === undefined ? [] : ['--runtime', options.runtime];
  const podId = (await containerd.crictl(['runp', ...runtime, pod])).stdout;
  const remove = async () => await containerd.crictl(['rmp', '--force', podId]);
  try {
    const id = (await containerd.crictl(['create', '--no-pull', podId, container, pod])).stdout;
    await containerd.crictl(['start', id]);
    return {
      async exec(command) {
        return (await containerd.crictl(['exec', id, ...command])).stdout;
      },
      async [Symbol.asyncDispose]() {
        await remove();
      },
    };
  } catch (error) {
    await remove();
    throw error;
  }
}
