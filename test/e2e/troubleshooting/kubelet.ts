import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { Clients, Refusal } from '../../integration/troubleshooting/clients.ts';
import type { World } from '../../integration/troubleshooting/world.ts';
import { SCENARIOS } from '../../integration/troubleshooting/scenarios.ts';
import { eventually } from '../../integration/support/rig.ts';
import { importPause } from '../../integration/support/pod.ts';
import { Cluster } from '../../sandbox/kubernetes/cluster.ts';
import { pod } from '../kubernetes/objects.ts';
import type { PodStatus } from '../kubernetes/world.ts';

/** On the node: the files in it let pods go on. */
const GATES = '/run/gates';
/** How long a pod may take for what is asked of it, in ms. */
const PATIENCE = 60_000;

/**
 * The kubelet, read by `kubectl describe`. Pods start while nothing is broken, and pull their second image when they are let: where no more
 * mounts can be made a pod that starts then would fail before it pulls.
 */
export class Kubelet implements Clients {
  readonly #cluster: Cluster;
  readonly #world: World;
  /** Pods that wait, by the path that they pull. */
  readonly #pods: ReadonlyMap<string, string>;

  private constructor(pods: ReadonlyMap<string, string>, deps: { cluster: Cluster; world: World }) {
    this.#pods = pods;
    this.#cluster = deps.cluster;
    this.#world = deps.world;
  }

  static async up(world: World): Promise<Kubelet> {
    const { rig, busybox } = world;
    await importPause(rig);
    const cluster = await Cluster.up(rig.node, rig.containerd);
    const pods = new Map(Object.keys(SCENARIOS).map((name) => [world.pathOf(name), name]));
    const waiting = [...pods].map(([path, name]) => {
      const gate = {
        name: 'gate',
        image: `nix:0${busybox}`,
        command: ['sh', '-c', `until test -e ${GATES}/${name}; do sleep 0.1; done`],
        volumeMounts: [{ name: 'gates', mountPath: GATES }],
      };
      const volumes = [{ name: 'gates', hostPath: { path: GATES, type: 'DirectoryOrCreate' } }];
      return pod(name, { ...pulling(path), initContainers: [gate], volumes });
    });
    await cluster.apply(...waiting);
    const kubelet = new Kubelet(pods, { cluster, world });
    for (const name of pods.values()) {
      await kubelet.#until(
        name,
        ({ initContainerStatuses: [gate] = [] }) => gate?.state.running !== undefined,
      );
    }
    return kubelet;
  }

  async *refusals(path: string): AsyncGenerator<Refusal> {
    const name = this.#pods.get(path);
    assert.ok(name, `no pod waits for ${path}`);
    await this.#world.rig.node.exec(['touch', `${GATES}/${name}`]);
    await this.#until(name, ({ containerStatuses: [main] = [] }) =>
      ['ErrImagePull', 'ImagePullBackOff'].includes(main?.state.waiting?.reason ?? ''),
    );
    const described = await eventually(async () => {
      const { stdout } = await this.#cluster.kubectl(['describe', 'pod', name]);
      assert.match(stdout, /Failed to pull image/);
      return stdout;
    });
    yield { client: 'kubectl describe', text: described };
    await this.#remove(name);
  }

  async run(path: string): Promise<string> {
    const name = `run-${randomUUID()}`;
    await this.#cluster.apply(pod(name, pulling(path)));
    await this.#until(name, ({ phase }) => phase === 'Succeeded');
    const { stdout } = await this.#cluster.kubectl(['logs', name]);
    await this.#remove(name);
    return stdout;
  }

  async #remove(name: string): Promise<void> {
    await this.#cluster.kubectl(['delete', 'pod', name, '--grace-period=0', '--force']);
  }

  async #until(name: string, holds: (status: PodStatus['status']) => boolean): Promise<void> {
    await eventually(async () => {
      const { status } = await this.#cluster.get<PodStatus>('pod', name);
      assert.ok(holds(status), `pod ${name} stays ${JSON.stringify(status, null, 1)}`);
    }, PATIENCE);
  }
}

/** A pod that runs a path once, and whose kubelet mounts nothing into it that it need not. */
function pulling(path: string) {
  const containers = [{ name: 'main', image: `nix:0${path}` }];
  return { containers, restartPolicy: 'Never', automountServiceAccountToken: false };
}
