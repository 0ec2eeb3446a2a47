import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { CLOSURE_ANNOTATION } from '../../../src/closure/annotations.ts';
import { LAYER_MARKER } from '../../../src/closure/recover.ts';
import { errnoOf, messageOf, StatusError } from '../../../src/errors.ts';
import { createRpcClient, type RpcClient, type ServiceClient } from '../../../src/rpc/client.ts';
import { leases, type Service, snapshots, status } from '../../../src/rpc/proto.ts';
import type { SnapshotsMethods, StatusMethods } from '../../../proto/gen/messages.ts';
import { busyboxEntries } from '../../fixtures/images.ts';
import { type LayerEntry, ociArchive } from '../../fixtures/oci-archive.ts';
import { buildPackages, closureInfo, closureOf } from '../../fixtures/packages.ts';
import { type Containerd, SNAPSHOTTER_SOCKET, startContainerd } from '../../sandbox/containerd.ts';
import { Sandbox } from '../../sandbox/sandbox.ts';
import {
  KEEP_NOTHING,
  type Snapshotter,
  type SnapshotterOptions,
  startSnapshotter,
} from '../../sandbox/snapshotter.ts';

export const NAMESPACE = 'default';
export const IMAGES = ['localhost/ordinary:1', 'localhost/ordinary:2', 'localhost/nix:1'] as const;
const TICKER_IMAGE = 'localhost/ticker:1';
const TICKS = '/ticks';

/** What a call that meets a dead daemon may say, through containerd and ctr. */
const DAEMON_DOWN = /unavailable|error reading from server|connection error|transport is closing/i;

/** A node with containerd, our daemon, images, and a container that counts. */
export class World {
  readonly node: Sandbox;
  readonly snapshotter: Snapshotter;
  readonly containerd: Containerd;
  /** The snapshotter as clients of containerd see it. */
  readonly snapshots: ServiceClient<SnapshotsMethods>;
  /** A `closureInfo` output. */
  readonly closure: string;
  readonly #containerdClient: RpcClient;
  #ticker = '';
  #collections = 0;
  kills = 0;
  /** Whether files that nobody had synced were lost; containerd does not sync what it unpacks. */
  hasLostFiles = false;

  private constructor(parts: Pick<World, 'node' | 'snapshotter' | 'containerd' | 'closure'>) {
    this.node = parts.node;
    this.snapshotter = parts.snapshotter;
    this.containerd = parts.containerd;
    this.closure = parts.closure;
    this.#containerdClient = createRpcClient({
      address: parts.node.hostPath(parts.containerd.socket),
      namespace: NAMESPACE,
    });
    this.snapshots = this.#containerdClient.service(snapshots);
  }

  /** @param prepare what to do to the node before the daemon starts, and how that is started. */
  static async up(
    prepare: (node: Sandbox) => Promise<SnapshotterOptions> = () => Promise.resolve({}),
  ): Promise<World> {
    const node = await Sandbox.up({ suite: 'trixie', name: 'crash' });
    try {
      const options = await prepare(node);
      const { busybox, greeter } = await buildPackages(node, ['busybox', 'greeter']);
      const closure = await closureInfo(node, [greeter]);
      await writeImages(node, { busybox, greeter });
      const snapshotter = await startSnapshotter(node, {
        logLevel: 'warn',
        config: KEEP_NOTHING,
        ...options,
      });
      const containerd = await startContainerd(node, {
        version: 'debian',
        snapshotterSocket: SNAPSHOTTER_SOCKET,
      });
      const world = new World({ node, snapshotter, containerd, closure });
      await world.#startTicker(busybox);
      return world;
    } catch (error) {
      await node.down();
      throw error;
    }
  }

  archive(image: string): string {
    return archiveOf(image);
  }

  async ctr(...args: readonly string[]): Promise<string> {
    return (await this.containerd.ctr(args)).stdout;
  }

  /** Our daemon asked directly, by a connection of its own: it is killed too often to keep one. */
  async direct<T>(
    use: (services: {
      readonly snapshots: ServiceClient<SnapshotsMethods>;
      readonly status: ServiceClient<StatusMethods>;
    }) => Promise<T>,
  ): Promise<T> {
    using client = createRpcClient({ address: this.node.hostPath(this.snapshotter.socket) });
    return await use({ snapshots: client.service(snapshots), status: client.service(status) });
  }

  /** Another of containerd's services. */
  containerdService<M>(service: Service<M>): ServiceClient<M> {
    return this.#containerdClient.service(service);
  }

  /** Has containerd collect its garbage, and waits for it. */
  async collectGarbage(): Promise<void> {
    const service = this.containerdService(leases);
    this.#collections += 1;
    const id = `collection-${this.#collections}`;
    await service.Create({ id });
    await service.Delete({ id, sync: true });
  }

  /** Writes what a layer holds into the directory that the first of a Prepare's mounts writes to. */
  async fill(mounts: readonly { source: string; options: string[] }[], file: string, text: string) {
    const upper = mounts[0]?.options.find((option) => option.startsWith('upperdir='));
    const directory = upper?.slice('upperdir='.length) ?? mounts[0]?.source ?? '';
    await this.node.writeFile(`${directory}/${file}`, text);
  }

  /** Writes what makes the layer the Nix layer of {@link closure}. */
  async mark(mounts: readonly { source: string; options: string[] }[]) {
    await this.fill(mounts, LAYER_MARKER, `${this.closure}\n`);
    await this.fill(mounts, `nix/store/${this.closure.slice('/nix/store/'.length)}`, '');
  }

  /**
   * Does `work` while the daemon is killed after `killAfter` ms and started again. Says what went wrong, which can only be
   * that the daemon was not there.
   */
  async whileKilled(work: () => Promise<void>, killAfter: number): Promise<StatusError | undefined> {
    const outcome = work().then(
      () => undefined,
      (error: unknown) => error,
    );
    await sleep(killAfter);
    assert.deepEqual(await this.snapshotter.kill9(), { code: null, signal: 'SIGKILL' });
    this.kills += 1;
    await this.snapshotter.start();
    const error = await outcome;
    if (error === undefined) return undefined;
    assert.ok(error instanceof StatusError && isDaemonDown(error), messageOf(error));
    return error;
  }

  /** True for what a call says that meets a dead daemon. */
  isDaemonDown(error: unknown): boolean {
    return error instanceof StatusError && isDaemonDown(error);
  }

  /** Does `work` as soon as containerd has found the daemon again. */
  async retry(work: () => Promise<void>): Promise<void> {
    const deadline = performance.now() + 60_000;
    for (;;) {
      try {
        await work();
        return;
      } catch (error) {
        if (!(error instanceof StatusError && isDaemonDown(error)) || performance.now() > deadline)
          throw error;
        await sleep(100);
      }
    }
  }

  /** How often the container has counted, as it says itself, and its process. */
  async ticks(): Promise<{ readonly count: number; readonly pid: string }> {
    const exec = ['task', 'exec', '--exec-id', `look-${performance.now()}`, 'ticker'];
    const count = Number(await this.ctr(...exec, 'cat', TICKS));
    return { count, pid: await this.#tickerPid() };
  }

  async assertTicking(): Promise<void> {
    const before = await this.ticks();
    assert.equal(before.pid, this.#ticker, 'the container that ran all the time is another one now');
    const deadline = performance.now() + 30_000;
    while ((await this.ticks()).count <= before.count) assert.ok(performance.now() < deadline);
  }

  async #startTicker(busybox: string): Promise<void> {
    await this.ctr('image', 'import', '--snapshotter', 'nix', archiveOf(TICKER_IMAGE));
    const sh = `${busybox}/bin/sh`;
    const loop = `i=0; while :; do i=$((i+1)); echo $i > ${TICKS}.new; ${busybox}/bin/mv ${TICKS}.new ${TICKS}; ${busybox}/bin/sleep 0.05; done`;
    await this.ctr('run', '--detach', '--snapshotter', 'nix', TICKER_IMAGE, 'ticker', sh, '-c', loop);
    this.#ticker = await this.#tickerPid();
    await this.retry(async () => {
      const count = (await this.ticks().catch((error: unknown) => retryLater(error))).count;
      assert.ok(count > 0);
    });
  }

  /** Ends the container that counts, for good. */
  async stopTicker(): Promise<void> {
    await this.ctr('task', 'rm', '--force', 'ticker');
    await this.ctr('container', 'rm', 'ticker');
  }

  /** What the container has counted to, read without containerd or the daemon. */
  async counted(): Promise<number> {
    return Number(await this.node.readFile(`/proc/${this.#ticker}/root${TICKS}`));
  }

  async #tickerPid(): Promise<string> {
    return /^ticker\s+(\d+)\s+RUNNING/m.exec(await this.ctr('task', 'ls'))?.[1] ?? 'not running';
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#containerdClient.close();
    await this.node.down();
  }
}

function isDaemonDown(error: StatusError): boolean {
  return error.code === 'Unavailable' || (error.code === 'Unknown' && DAEMON_DOWN.test(error.message));
}

function retryLater(error: unknown): never {
  throw new StatusError('Unavailable', messageOf(error), { cause: errnoOf(error) });
}

function archiveOf(image: string): string {
  return `/tmp/images/${image.replaceAll(/\W/g, '-')}.tar`;
}

async function writeImages(node: Sandbox, { busybox, greeter }: { busybox: string; greeter: string }) {
  const base = { entries: await busyboxEntries(node) };
  const nixLayer = async (path: string) => ({
    entries: mountPoints(await closureOf(node, [path])),
    annotations: { [CLOSURE_ANNOTATION]: await closureInfo(node, [path]) },
  });
  const images = {
    [TICKER_IMAGE]: [base, await nixLayer(busybox)],
    'localhost/ordinary:1': [base, { entries: [{ path: 'one', content: 'one\n' }] }],
    'localhost/ordinary:2': [base, { entries: [{ path: 'two', content: 'two\n' }] }],
    'localhost/nix:1': [base, await nixLayer(greeter), { entries: [{ path: 'three', content: 'three\n' }] }],
  };
  for (const [name, layers] of Object.entries(images)) {
    await node.writeFile(archiveOf(name), await ociArchive({ name, layers, config: { Cmd: ['sh'] } }));
  }
}

function mountPoints(closure: readonly string[]): readonly LayerEntry[] {
  const paths = ['nix', 'nix/store', ...closure.map((path) => path.slice(1))];
  return paths.map((path) => ({ path, type: 'directory' }));
}
