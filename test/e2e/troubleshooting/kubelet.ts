import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { Clients, Refusal } from '../../integration/troubleshooting/clients.ts';
import type { World } from '../../integration/troubleshooting/world.ts';
import { SCENARIOS } from '../../integration/troubleshooting/scenarios.ts';
import { eventually } from '../../integration/support/rig.ts';
import { importPause } from '../../integration/support/pod.ts';
import { Cluster } from '../../sandbox/kubernetes/cluster.ts';
import { pod } from '../kubernetes/objects.ts';

/** On the node: a FIFO for each pod, which goes on when that is written to. */
const GATES = '/run/gates';
/** How long a pod may take for what is asked of it. */
const PATIENCE = '60s';

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
        command: ['cat', `${GATES}/${name}`],
        volumeMounts: [{ name: 'gates', mountPath: GATES }],
      };
      const volumes = [{ name: 'gates', hostPath: { path: GATES } }];
      return pod(name, { ...pulling(path), initContainers: [gate], volumes });
    });
    await rig.node.sh(`mkdir ${GATES}; cd ${GATES}; mkfifo ${[...pods.values()].join(' ')}`);
    await cluster.apply(...waiting);
    const kubelet = new Kubelet(pods, { cluster, world });
    for (const name of pods.values()) {
      await kubelet.#until(name, '{.status.initContainerStatuses[0].state.running}');
    }
    return kubelet;
  }

  async *refusals(path: string): AsyncGenerator<Refusal> {
    const name = this.#pods.get(path);
    assert.ok(name, `no pod waits for ${path}`);
    await this.#world.rig.node.sh(`: > ${GATES}/${name}`);
    // The pod's status has it by the kubelet's next look at it only, ten seconds later.
    const text = await eventually(async () => {
      const described = await this.#described(name);
      assert.match(described, /Failed to pull image/);
      return described;
    });
    yield { client: 'kubectl describe', text };
    await this.#remove(name);
  }

  async run(path: string): Promise<string> {
    const name = `run-${randomUUID()}`;
    await this.#cluster.apply(pod(name, pulling(path)));
    await this.#until(name, '{.status.phase}=Succeeded');
    const { stdout } = await this.#cluster.kubectl(['logs', name]);
    await this.#remove(name);
    return stdout;
  }

  async #remove(name: string): Promise<void> {
    await this.#cluster.kubectl(['delete', 'pod', name, '--grace-period=0', '--force']);
  }

  /** @param state a path in the pod, in kubectl's own language, which must be there, or have a value. */
  async #until(name: string, state: string): Promise<void> {
    const wait = ['wait', `pod/${name}`, `--for=jsonpath=${state}`, `--timeout=${PATIENCE}`];
    const { exitCode, stderr } = await this.#cluster.kubectl(wait, { reject: false });
    if (exitCode !== 0) assert.fail(`${stderr}\n${await this.#described(name)}`);
  }

  async #described(name: string): Promise<string> {
    return (await this.#cluster.kubectl(['describe', 'pod', name])).stdout;
  }
}

/** A pod that runs a path once, and whose kubelet mounts nothing into it that it need not. */
function pulling(path: string) {
  const containers = [{ name: 'main', image: `nix:0${path}` }];
  return { containers, restartPolicy: 'Never', automountServiceAccountToken: false };
}
