import { generateKeyPairSync } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { StatusError } from '../../../src/errors.ts';
import type { Containerd } from '../containerd.ts';
import { ensureTool } from '../go-tools.ts';
import { inside } from '../layout.ts';
import type { SandboxProcess } from '../process.ts';
import type { ExecOptions, ExecResult, Sandbox } from '../sandbox.ts';
import { waitFor } from '../wait-for.ts';
import {
  ADMIN_KUBECONFIG,
  API_SERVER,
  ETCD,
  KUBELET_CONFIG,
  NODE_ADDRESS,
  NODE_NAME,
  SERVICES,
  SERVICE_ACCOUNT,
  STATIC_PODS,
  clusterFiles,
  command,
  kubeletConfig,
  type KubeletOptions,
  type Service,
} from './configuration.ts';
import { separateFromHost } from './host-settings.ts';

export type ClusterOptions = Omit<KubeletOptions, 'runtime'>;

/**
 * A real one-node Kubernetes in a sandbox: etcd, API server, controller manager, scheduler and kubelet, on a containerd
 * that serves CRI. No kube-proxy, no DNS. It ends with the sandbox.
 */
export class Cluster {
  /** Folders inside with the programs. */
  readonly #programs: { readonly etcd: string; readonly kubernetes: string };
  readonly #node: Sandbox;
  readonly #containerd: Containerd;
  readonly #processes = new Map<Service, SandboxProcess>();

  private constructor(
    options: { programs: { etcd: string; kubernetes: string } },
    deps: { node: Sandbox; containerd: Containerd },
  ) {
    this.#programs = options.programs;
    this.#node = deps.node;
    this.#containerd = deps.containerd;
  }

  /**
   * Starts a cluster and waits until its node is ready. Its programs are built when they are not there.
   *
   * @throws StatusError FailedPrecondition with its last lines when a program ends; DeadlineExceeded when one is not ready.
   */
  static async up(
    node: Sandbox,
    containerd: Containerd,
    options: ClusterOptions = {},
    log?: (line: string) => void,
  ): Promise<Cluster> {
    const programs = {
      etcd: `${inside.tools}/${await ensureTool('etcd', log)}`,
      kubernetes: `${inside.tools}/${await ensureTool('kubernetes', log)}`,
    };
    const cluster = new Cluster({ programs }, { node, containerd });
    await separateFromHost(node);
    await node.exec(['ip', 'address', 'replace', `${NODE_ADDRESS}/32`, 'dev', 'lo']);
    await node.exec(['mkdir', '-p', STATIC_PODS]);
    for (const [path, text] of Object.entries(clusterFiles())) await node.writeFile(path, text, 0o600);
    const keys = generateKeyPairSync('rsa', {
      modulusLength: 2048,
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
      publicKeyEncoding: { type: 'spki', format: 'pem' },
    });
    await node.writeFile(SERVICE_ACCOUNT.privateKey, keys.privateKey, 0o600);
    await node.writeFile(SERVICE_ACCOUNT.publicKey, keys.publicKey);
    await cluster.#configureKubelet(options);
    for (const service of SERVICES) await cluster.start(service);
    await cluster.#usable();
    return cluster;
  }

  async start(service: Service): Promise<void> {
    const [program, ...flags] = command(service);
    const dir = service === 'etcd' ? this.#programs.etcd : this.#programs.kubernetes;
    const started = this.#node.spawn(service, [`${dir}/${program}`, ...flags]);
    this.#processes.set(service, started);
    await waitFor(started, async () => await this.#ready(service));
  }

  /** Kills a program and starts it again; an orderly end of the API server takes more than 20 seconds. */
  async restart(service: Service): Promise<void> {
    await this.#processes.get(service)?.kill9();
    await this.start(service);
  }

  /** Starts the kubelet again with another configuration. */
  async configureKubelet(options: ClusterOptions): Promise<void> {
    await this.#configureKubelet(options);
    await this.restart('kubelet');
  }

  /** kubectl with all rights. */
  async kubectl(args: readonly string[], options: ExecOptions = {}): Promise<ExecResult> {
    return await this.#node.exec([...this.kubectlCommand, ...args], options);
  }

  /** What runs kubectl inside, with all rights. */
  get kubectlCommand(): readonly string[] {
    return [`${this.#programs.kubernetes}/kubectl`, '--kubeconfig', ADMIN_KUBECONFIG];
  }

  /** Creates or changes objects. */
  async apply(...objects: readonly object[]): Promise<void> {
    const list = { apiVersion: 'v1', kind: 'List', items: objects };
    await this.kubectl(['apply', '-f', '-'], { input: JSON.stringify(list) });
  }

  /** What `kubectl get` says, read. */
  async get<T>(...args: readonly string[]): Promise<T> {
    return JSON.parse((await this.kubectl(['get', '-o', 'json', ...args])).stdout) as T;
  }

  async #configureKubelet(options: ClusterOptions): Promise<void> {
    await this.#node.writeFile(
      KUBELET_CONFIG,
      kubeletConfig({ ...options, runtime: this.#containerd.socket }),
    );
  }

  async #ready(service: Service): Promise<boolean> {
    switch (service) {
      case 'etcd':
        return await this.#answers(`${ETCD}/health`);
      case 'apiserver':
        return await this.#succeeds(['get', '--raw', '/readyz']);
      case 'kubelet':
        return await this.#answers('http://127.0.0.1:10248/healthz');
      case 'controller-manager':
      case 'scheduler':
        // They serve nothing; the cluster is usable once they have done their work.
        return true;
    }
  }

  /** Waits for what pods need: a node that is ready, and a service account. */
  async #usable(): Promise<void> {
    const deadline = performance.now() + 60_000;
    const ready = ['wait', '--for=condition=Ready', `node/${NODE_NAME}`, '--timeout=60s'];
    while (
      !(await this.#succeeds(['get', 'serviceaccount', 'default'])) ||
      !(await this.#succeeds(['get', 'node', NODE_NAME]))
    ) {
      for (const process of this.#processes.values()) {
        if (!process.running)
          throw new StatusError('FailedPrecondition', `${process.name} ended: ${process.tail()}`);
      }
      if (performance.now() > deadline) {
        throw new StatusError(
          'DeadlineExceeded',
          `the cluster at ${API_SERVER} has no node after a minute: ${this.#processes.get('kubelet')?.tail() ?? ''}`,
        );
      }
      await sleep(100);
    }
    await this.kubectl(ready);
  }

  async #succeeds(args: readonly string[]): Promise<boolean> {
    return (await this.kubectl(args, { reject: false })).exitCode === 0;
  }

  async #answers(url: string): Promise<boolean> {
    const ask = ['busybox', 'wget', '-q', '-T', '5', '-O', '-', url];
    return (await this.#node.exec(ask, { reject: false })).exitCode === 0;
  }
}
