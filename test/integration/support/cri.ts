import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { ImageServiceMethods } from '../../../proto/gen/messages.ts';
import { loadDefinitions } from '../../../proto/descriptor.ts';
import { imageService } from '../../../src/cri/proto.ts';
import { createRpcClient, type ServiceClient } from '../../../src/rpc/client.ts';
import { definitions } from '../../../src/rpc/proto.ts';
import { projectRoot } from '../../sandbox/layout.ts';
import type { Rig } from './rig.ts';

/** For the daemon's configuration. */
export const IMAGE_SERVICE_CONFIG = '[image_service]\nenable = true\n';

interface Unary<Request, Response> {
  readonly requestStream: false;
  readonly responseStream: false;
  readonly request: Request & object;
  readonly requestInput: Request & object;
  readonly response: Response & object;
  readonly responseInput: Response & object;
}

/** The methods of `runtime.v1.RuntimeService` that tests call. */
interface RuntimeMethods {
  readonly RunPodSandbox: Unary<{ config: object }, { pod_sandbox_id: string }>;
  readonly StopPodSandbox: Unary<{ pod_sandbox_id: string }, object>;
  readonly RemovePodSandbox: Unary<{ pod_sandbox_id: string }, object>;
  readonly CreateContainer: Unary<
    { pod_sandbox_id: string; config: object; sandbox_config: object },
    { container_id: string }
  >;
  readonly RemoveContainer: Unary<{ container_id: string }, object>;
}

type Images = ServiceClient<ImageServiceMethods>;

/** CRI as a kubelet with `--image-service-endpoint` calls it: images at our socket, the rest at containerd's. */
export class Cri implements Disposable {
  /** Ours. */
  readonly images: Images;
  /** containerd's own. */
  readonly containerd: Images;
  readonly #runtime: ServiceClient<RuntimeMethods>;
  readonly #clients: readonly Disposable[];

  private constructor(parts: {
    images: Images;
    containerd: Images;
    runtime: ServiceClient<RuntimeMethods>;
    clients: readonly Disposable[];
  }) {
    this.images = parts.images;
    this.containerd = parts.containerd;
    this.#runtime = parts.runtime;
    this.#clients = parts.clients;
  }

  static async of({ node, snapshotter, containerd }: Rig): Promise<Cri> {
    const all = (await loadDefinitions(join(projectRoot, 'proto'))).toJSON();
    const runtime = definitions(all)<RuntimeMethods>('runtime.v1.RuntimeService');
    const ours = createRpcClient({ address: node.hostPath(snapshotter.socket) });
    const theirs = createRpcClient({ address: node.hostPath(containerd.socket) });
    return new Cri({
      images: ours.service(imageService),
      containerd: theirs.service(imageService),
      runtime: theirs.service(runtime),
      clients: [ours, theirs],
    });
  }

  /** Pulls and gives the image's id. */
  async pull(image: string): Promise<string> {
    return (await this.images.PullImage({ image: { image } })).image_ref;
  }

  async remove(image: string): Promise<void> {
    await this.images.RemoveImage({ image: { image } });
  }

  /** A pod without containers. */
  async pod(): Promise<CriPod> {
    const name = randomUUID();
    const security = { namespace_options: { network: 'NODE' } };
    const sandbox = {
      metadata: { name, uid: name, namespace: 'tests' },
      linux: { security_context: security },
    };
    const { pod_sandbox_id } = await this.#runtime.RunPodSandbox({ config: sandbox });
    const runtime = this.#runtime;
    let containers = 0;
    return {
      async create(image) {
        containers += 1;
        const config = {
          metadata: { name: `c${containers}` },
          image: { image },
          command: ['true'],
          linux: { security_context: security },
        };
        const { container_id } = await runtime.CreateContainer({
          pod_sandbox_id,
          config,
          sandbox_config: sandbox,
        });
        await runtime.RemoveContainer({ container_id });
      },
      async [Symbol.asyncDispose]() {
        await runtime.StopPodSandbox({ pod_sandbox_id });
        await runtime.RemovePodSandbox({ pod_sandbox_id });
      },
    };
  }

  [Symbol.dispose](): void {
    for (const client of this.#clients) client[Symbol.dispose]();
  }
}

/** A running pod; disposing of it removes it. */
export interface CriPod extends AsyncDisposable {
  /** Creates a container of an image by name or id, and removes it again. */
  create(image: string): Promise<void>;
}
