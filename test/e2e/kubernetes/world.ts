import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { BUSYBOX_IMAGE, busyboxArchive } from '../../fixtures/images.ts';
import { PAUSE_IMAGE } from '../../sandbox/containerd-config.ts';
import { deletePaths } from '../../fixtures/packages.ts';
import { Cluster } from '../../sandbox/kubernetes/cluster.ts';
import { NODE_NAME } from '../../sandbox/kubernetes/configuration.ts';
import { type Footprint, footprint } from '../../integration/support/footprint.ts';
import { type InterleavedImage, interleavedImage } from '../../integration/support/interleaved.ts';
import type { AvailableRow } from '../../integration/support/matrix.ts';
import { importPause } from '../../integration/support/pod.ts';
import { RESOLVER_CONFIG, useResolver } from '../../integration/support/resolver-hosts.ts';
import { Rig } from '../../integration/support/rig.ts';

/** File system of its own for our snapshots, so that it can be filled. */
const SNAPSHOTS_SIZE = '400m';

/** What tests read of a pod. */
export interface PodStatus {
  readonly metadata: { readonly name: string; readonly uid: string };
  readonly status: {
    readonly phase: string;
    readonly reason?: string;
    readonly message?: string;
    readonly podIP?: string;
    readonly containerStatuses?: readonly ContainerStatus[];
    readonly initContainerStatuses?: readonly ContainerStatus[];
  };
}

interface ContainerStatus {
  readonly name: string;
  readonly restartCount: number;
  readonly ready: boolean;
  readonly state: {
    readonly waiting?: { readonly reason: string; readonly message?: string };
    readonly running?: object;
    readonly terminated?: { readonly exitCode: number };
  };
}

/** A one-node cluster whose node knows store paths as images; its binary cache alone has their closures. */
export class World {
  readonly rig: Rig;
  readonly cluster: Cluster;
  /** Closures on the cache, and the OCI layout of an image of ordinary and Nix layers. */
  readonly made: InterleavedImage;
  /** Busybox's store path, which the greeter needs. */
  readonly busybox: string;
  /** The interleaved image, in the store. */
  readonly interleaved: string;
  readonly #bare: Footprint;

  private constructor(
    options: { made: InterleavedImage; busybox: string; interleaved: string; bare: Footprint },
    deps: { rig: Rig; cluster: Cluster },
  ) {
    this.made = options.made;
    this.busybox = options.busybox;
    this.interleaved = `nix:0${options.interleaved}`;
    this.#bare = options.bare;
    this.rig = deps.rig;
    this.cluster = deps.cluster;
  }

  static async up(row: AvailableRow): Promise<World> {
    const rig = await Rig.up({
      row,
      cri: true,
      // containerd 1.7 has no id-mapped mounts.
      capabilities: row.release === '1.7' ? [] : ['remap-ids'],
      config: `${RESOLVER_CONFIG}[gc]\ngrace = "1s"\n[image_service]\nenable = true\n`,
      prepare: async (node) => {
        const dir = '/var/lib/nix-snapshotter';
        await node.sh(`mkdir -p ${dir}; mount -t tmpfs -o size=${SNAPSHOTS_SIZE},mode=755 snapshots ${dir}`);
      },
    });
    try {
      await useResolver(rig);
      await importPause(rig);
      const made = await interleavedImage(rig);
      const busybox = made.closure.find((path) => path.endsWith('-busybox'));
      assert.ok(busybox);
      const interleaved = (await rig.node.exec(['nix-store', '--add', made.layout])).stdout;
      await rig.cache.add([interleaved]);
      await deletePaths(rig.node, [interleaved]);
      const cluster = await Cluster.up(rig.node, rig.containerd);
      const bare = await footprint(rig);
      return new World({ made, busybox, interleaved, bare }, { rig, cluster });
    } catch (error) {
      await rig.down();
      throw error;
    }
  }

  /** A store path as an image's name, without a tag. */
  get redis(): string {
    return this.made.packages.redis;
  }

  get greeter(): string {
    return this.made.packages.greeter;
  }

  /** An image whose layers are all ordinary, in containerd. */
  async ordinary(): Promise<string> {
    const { containerd, node } = this.rig;
    const flags = ['-n', 'k8s.io', 'image', 'import', '--snapshotter', 'nix'];
    await containerd.ctr([...flags, await busyboxArchive(node)]);
    return BUSYBOX_IMAGE;
  }

  /** What a program prints in a container of a pod, or of one of an object's pods. */
  async exec(target: string, command: readonly string[], container?: string): Promise<string> {
    const flags = container === undefined ? [] : ['-c', container];
    return (await this.cluster.kubectl(['exec', target, ...flags, '--', ...command])).stdout;
  }

  /** Pods with label `app`, as they are now. */
  async pods(app: string): Promise<readonly PodStatus[]> {
    const { items } = await this.cluster.get<{ items: readonly PodStatus[] }>('pods', '-l', `app=${app}`);
    return items;
  }

  /** The one pod with label `app`. */
  async pod(app: string): Promise<PodStatus> {
    const [first, ...others] = await this.pods(app);
    assert.ok(first, `there is no pod ${app}`);
    assert.equal(others.length, 0, `there are ${others.length + 1} pods ${app}`);
    return first;
  }

  /** Asks for the one pod with label `app` until it is as told; then what was seen of it last is an error. */
  async until(app: string, holds: (pod: PodStatus) => boolean): Promise<PodStatus> {
    const deadline = performance.now() + 90_000;
    for (;;) {
      const [seen, ...others] = await this.pods(app);
      assert.equal(others.length, 0, `there are ${others.length + 1} pods ${app}`);
      if (seen !== undefined && holds(seen)) return seen;
      const what = seen === undefined ? 'does not appear' : `stays ${JSON.stringify(seen.status, null, 1)}`;
      assert.ok(performance.now() < deadline, `pod ${app} ${what}`);
      await sleep(200);
    }
  }

  /** Waits until a pod or a deployment is up; what it waits for is told when it is not. */
  async ready(kind: 'pod' | 'deployment', name: string): Promise<void> {
    const condition = kind === 'pod' ? 'Ready' : 'Available';
    const wait = ['wait', `--for=condition=${condition}`, `${kind}/${name}`, '--timeout=90s'];
    const { exitCode, stderr } = await this.cluster.kubectl(wait, { reject: false });
    if (exitCode === 0) return;
    const described = await this.cluster.kubectl(['describe', 'pods', '-l', `app=${name}`], {
      reject: false,
    });
    assert.fail(`${kind} ${name} is not up: ${stderr}\n${described.stdout}`);
  }

  /** Messages of a pod's events with a reason, oldest first. */
  async events(name: string, reason: string): Promise<readonly string[]> {
    const fields = `involvedObject.name=${name},reason=${reason}`;
    const { items } = await this.cluster.get<{ items: readonly { message: string }[] }>(
      'events',
      '--field-selector',
      fields,
    );
    return items.map(({ message }) => message);
  }

  /** Names with tags of images that CRI knows, without the pods' own. */
  async images(): Promise<readonly string[]> {
    const { stdout } = await this.rig.containerd.crictl(['images', '--output', 'json']);
    const { images } = JSON.parse(stdout) as { images: readonly { repoTags: readonly string[] }[] };
    return images.flatMap(({ repoTags }) => repoTags).filter((name) => name !== PAUSE_IMAGE);
  }

  /** Removes pods that have ended and images that no container uses, as the kubelet does every few minutes. */
  async collect(): Promise<void> {
    const { containerd } = this.rig;
    const { stdout } = await containerd.crictl(['pods', '--quiet', '--state', 'NotReady']);
    const ended = stdout.split('\n').filter(Boolean);
    // The kubelet may be faster.
    if (ended.length > 0) await containerd.crictl(['rmp', ...ended], { reject: false });
    await containerd.crictl(['rmi', '--prune']);
  }

  /** Waits until nothing but the programs of the cluster is left on the node, and says what is otherwise. */
  async cleared(): Promise<void> {
    const kinds = 'deployments,jobs,pods';
    const flags = ['--all', '--wait', '--timeout=60s', '--cascade=foreground'];
    await this.cluster.kubectl(['delete', kinds, ...flags]);
    const deadline = performance.now() + 30_000;
    for (;;) {
      try {
        await this.collect();
        assert.deepEqual(await footprint(this.rig), this.#bare);
        return;
      } catch (error) {
        if (performance.now() > deadline) throw error;
        await sleep(200);
      }
    }
  }

  /** Raw answer of the node's kubelet. */
  async kubelet<T>(path: string): Promise<T> {
    const { stdout } = await this.cluster.kubectl([
      'get',
      '--raw',
      `/api/v1/nodes/${NODE_NAME}/proxy/${path}`,
    ]);
    return JSON.parse(stdout) as T;
  }

  async down(): Promise<void> {
    await this.rig.down();
  }
}
