import { arch, cpus, release } from 'node:os';
import { buildServeOverlay } from '../contract/go-programs.ts';
import { configureNix } from '../fixtures/nix-config.ts';
import { type Containerd, type ContainerdVersion, startContainerd } from '../sandbox/containerd.ts';
import { Sandbox } from '../sandbox/sandbox.ts';
import { waitFor } from '../sandbox/wait-for.ts';
import type { Archive } from './archives.ts';
import { BenchClient } from './client.ts';
import { type Closure, makeClosure } from './closures.ts';
import { buildBenchClient } from './go-programs.ts';
import { useJournaledDisk } from './journaled-disk.ts';
import {
  OVERLAYFS_PROGRAM,
  PEER_PROGRAM,
  type RunningServer,
  SERVERS_DIRECTORY,
  startOurs,
  startPeer,
  type View,
  VIEWS,
} from './servers.ts';

/** Host directory of everything that has to lie on a file system with a journal. */
const ON_DISK = ['/nix', '/var/lib/containerd', SERVERS_DIRECTORY] as const;
const CLIENT = '/var/lib/bench-programs/bench-client';
const CLIENT_SOCKET = '/run/bench/client.sock';

export interface WorldOptions {
  readonly containerd: ContainerdVersion;
  /** Host path of the Go nix-snapshotter, if it takes part. */
  readonly peer?: string;
}

/** Something that containerd can run images with. */
export interface Subject {
  /** As in the tables. */
  readonly name: string;
  /** Its name in containerd. */
  readonly snapshotter: string;
  /** Its namespace in containerd: what subjects load does not meet. */
  readonly namespace: string;
  /** Absent for containerd's own overlayfs. */
  readonly server?: RunningServer;
}

/** A node with everything that is compared: one containerd whose proxy snapshotters are ours in each view, and the peer. */
export class World {
  readonly node: Sandbox;
  readonly client: BenchClient;
  readonly containerd: Containerd;
  /** Snapshotters that know closures: ours, then the peer. */
  readonly closureSubjects: readonly Subject[];
  /** containerd's own. */
  readonly overlayfs: Subject = { name: 'overlayfs', snapshotter: 'overlayfs', namespace: 'overlayfs' };
  /** What takes no part, with the reason. */
  readonly missing: readonly string[];
  /** Facts for the report. */
  readonly setup: Readonly<Record<string, string>>;
  readonly #closures = new Map<string, Promise<Closure>>();

  private constructor(parts: {
    readonly node: Sandbox;
    readonly client: BenchClient;
    readonly containerd: Containerd;
    readonly servers: readonly RunningServer[];
    readonly missing: readonly string[];
    readonly setup: Readonly<Record<string, string>>;
  }) {
    this.node = parts.node;
    this.client = parts.client;
    this.containerd = parts.containerd;
    this.closureSubjects = parts.servers.map((server) => ({
      name: server.name,
      snapshotter: snapshotterName(server),
      namespace: snapshotterName(server),
      server,
    }));
    this.missing = parts.missing;
    this.setup = parts.setup;
  }

  static async up(options: WorldOptions): Promise<World> {
    const [client, overlayfs] = [await buildBenchClient(), await buildServeOverlay()];
    const node = await Sandbox.up({ suite: 'trixie', name: 'bench' });
    try {
      const disk = await useJournaledDisk(node, ON_DISK);
      await node.exec(['mkdir', '-p', '/var/lib/bench-programs', '/run/bench']);
      await node.copyIn(client, CLIENT);
      await node.copyIn(overlayfs, OVERLAYFS_PROGRAM);
      if (options.peer !== undefined) await node.copyIn(options.peer, PEER_PROGRAM);
      await configureNix(node, {});
      const found = await Promise.all(VIEWS.map((view) => startOurs(node, view, 'containerd')));
      const servers = found.filter((server) => typeof server !== 'string');
      const missing = found.filter((reason) => typeof reason === 'string');
      if (options.peer === undefined) missing.push('the Go nix-snapshotter: BENCH_PEER is not set');
      else servers.push(await startPeer(node, 'containerd'));
      const containerd = await startContainerd(node, {
        version: options.containerd,
        furtherSnapshotters: servers.map((server) => ({ ...server, name: snapshotterName(server) })),
      });
      const setup = {
        machine: `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, ${arch()}, Linux ${release().replace(/-.*$/, '')}`,
        disk,
        containerd: containerd.version,
        runc: node.versions['runc'] ?? 'unknown',
        nix: node.versions['nix-bin'] ?? 'unknown',
        node: process.versions.node,
      };
      return new World({ node, client: await startClient(node), containerd, servers, missing, setup });
    } catch (error) {
      await node.down();
      throw error;
    }
  }

  /** The subject that stands for ours where the view does not matter. */
  get ours(): Subject {
    const [first] = this.closureSubjects;
    if (first === undefined) throw new Error('no view of ours works on this machine');
    return first;
  }

  /** Views of ours that work here. */
  get views(): readonly View[] {
    return VIEWS.filter((view) => this.closureSubjects.some(({ name }) => name === view));
  }

  get peer(): Subject | undefined {
    return this.closureSubjects.find(({ name }) => name === 'Go');
  }

  /** A closure whose paths stay valid; the same each time it is asked for. */
  closure(size: number): Promise<Closure> {
    return this.coldClosure('warm', size);
  }

  /** A closure that shares no path with those of other seeds, so that it can be removed from the store. */
  coldClosure(seed: string, size: number): Promise<Closure> {
    const key = `${seed} ${size}`;
    const closure = this.#closures.get(key) ?? makeClosure(this.node, seed, size);
    this.#closures.set(key, closure);
    return closure;
  }

  /** Loads an archive and unpacks it; returns milliseconds. */
  async load({ namespace, snapshotter }: Subject, archive: Archive): Promise<number> {
    const request = { containerd: this.containerd.socket, namespace, snapshotter, archive: archive.path };
    return (await this.client.load(request)).milliseconds;
  }

  /** Removes all images of a subject, and what only they held. */
  async unload({ namespace }: Subject): Promise<void> {
    await this.client.unload({ containerd: this.containerd.socket, namespace });
  }

  /** The command that runs a container of an image to its end; what it runs prints a line. */
  runCommand(subject: Subject, archive: Archive, id: string): readonly string[] {
    const command = ['run', '--rm', '--snapshotter', subject.snapshotter, archive.image, id];
    return [...this.#ctr(subject), ...command, archive.shell, 'echo', 'started'];
  }

  /** How many mounts the node has more while one container runs. */
  async mountsOfContainer(subject: Subject, archive: Archive): Promise<number> {
    const before = await this.#mounts();
    const ctr = async (args: readonly string[]) => await this.node.exec([...this.#ctr(subject), ...args]);
    await ctr([
      'run',
      '-d',
      '--snapshotter',
      subject.snapshotter,
      archive.image,
      'mounts',
      archive.shell,
      'sleep',
      '60',
    ]);
    const during = await this.#mounts();
    await ctr(['task', 'rm', '-f', 'mounts']);
    await ctr(['container', 'rm', 'mounts']);
    return during - before;
  }

  async down(): Promise<void> {
    this.client.close();
    await this.node.down();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.down();
  }

  #ctr({ namespace }: Subject): readonly string[] {
    return [`${this.containerd.binDir}/ctr`, '--address', this.containerd.socket, '-n', namespace];
  }

  async #mounts(): Promise<number> {
    return (await this.node.readFile('/proc/1/mountinfo')).split('\n').length;
  }
}

function snapshotterName({ name }: RunningServer): string {
  return `bench-${name.toLowerCase()}`;
}

async function startClient(node: Sandbox): Promise<BenchClient> {
  const program = node.spawn('bench-client', [CLIENT, CLIENT_SOCKET]);
  await waitFor(
    program,
    async () => (await node.exec(['test', '-S', CLIENT_SOCKET], { reject: false })).exitCode === 0,
  );
  return await BenchClient.connect(node.hostPath(CLIENT_SOCKET));
}
