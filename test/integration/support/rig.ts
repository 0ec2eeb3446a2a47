import { setTimeout as sleep } from 'node:timers/promises';
import type { ViewName } from '../../../src/view/view.ts';
import { type BinaryCache, binaryCache } from '../../fixtures/binary-cache.ts';
import { configureNix } from '../../fixtures/nix-config.ts';
import { type Containerd, SNAPSHOTTER_SOCKET, startContainerd } from '../../sandbox/containerd.ts';
import type { DebianBase } from '../../sandbox/debian-base.ts';
import { inside } from '../../sandbox/layout.ts';
import { type ExecOptions, type ExecResult, Sandbox } from '../../sandbox/sandbox.ts';
import { KEEP_NOTHING, type Snapshotter, startSnapshotter } from '../../sandbox/snapshotter.ts';
import type { Row } from './matrix.ts';

const CONFIG = '/etc/nix-snapshotter/config.toml';

export interface RigOptions {
  readonly row: Pick<Row, 'suite' | 'version'> & { readonly view?: ViewName };
  /**
   * Text of the daemon's configuration file, without the row's view. Unless it has a table `gc`, nothing is kept after its
   * last use.
   */
  readonly config?: string;
  readonly cri?: boolean;
  /** Also use the daemon as containerd's diff plugin. */
  readonly diffPlugin?: boolean;
  /** Capabilities that containerd is told our snapshotter has. */
  readonly capabilities?: readonly string[];
  /** The Debian folder of the node; the row's unless told. */
  readonly base?: DebianBase;
  /** A program that runs the daemon. */
  readonly daemonWrapper?: readonly string[];
  /** Told of the node before anything runs on it. */
  readonly prepare?: (node: Sandbox) => Promise<void>;
}

/** A node with Nix, a signed binary cache on its loopback as only substituter, our daemon, and containerd. */
export class Rig {
  readonly node: Sandbox;
  readonly cache: BinaryCache;
  readonly snapshotter: Snapshotter;
  readonly containerd: Containerd;
  /** What the daemon's configuration says; its default when undefined. */
  readonly view: ViewName | undefined;

  constructor(parts: {
    view: ViewName | undefined;
    node: Sandbox;
    cache: BinaryCache;
    snapshotter: Snapshotter;
    containerd: Containerd;
  }) {
    this.view = parts.view;
    this.node = parts.node;
    this.cache = parts.cache;
    this.snapshotter = parts.snapshotter;
    this.containerd = parts.containerd;
  }

  static async up({ row, config, prepare, ...options }: RigOptions): Promise<Rig> {
    const base = options.base === undefined ? {} : { base: options.base };
    const node = await Sandbox.up({ suite: row.suite, name: `rig-${row.suite}`, ...base });
    try {
      await prepare?.(node);
      const cache = await binaryCache(node, [], { signed: true });
      await configureNix(node, { substituters: [cache] });
      const snapshotter = await startSnapshotter(node, {
        config: configText(row.view, config),
        wrapper: options.daemonWrapper ?? [],
      });
      const containerd = await startContainerd(node, {
        version: row.version,
        snapshotterSocket: SNAPSHOTTER_SOCKET,
        snapshotterCapabilities: options.capabilities ?? [],
        cri: options.cri === true,
        diffPlugin: options.diffPlugin === true,
      });
      return new Rig({ view: row.view, node, cache, snapshotter, containerd });
    } catch (error) {
      await node.down();
      throw error;
    }
  }

  /** Gives the daemon another configuration, the row's view aside, and starts it again. */
  async configure(config: string): Promise<void> {
    await this.node.writeFile(CONFIG, configText(this.view, config));
    await this.restartSnapshotter();
  }

  /**
   * Starts the daemon again and waits until containerd talks to it: between two tries to connect containerd waits, and
   * a collection of garbage in between removes nothing here and is not repeated before something else is removed.
   */
  async restartSnapshotter(): Promise<void> {
    const snapshots = ['snapshot', '--snapshotter', 'nix'];
    const key = 'restarted';
    await this.snapshotter.restart();
    await eventually(async () => await this.containerd.ctr([...snapshots, 'prepare', key]));
    await this.containerd.ctr([...snapshots, 'rm', key]);
  }

  /** Our image tool, run on the node. */
  async nix2container(args: readonly string[], options?: ExecOptions): Promise<ExecResult> {
    return await this.node.exec(['node', `${inside.project}/dist/nix2container.mjs`, ...args], options);
  }

  /** Paths of nars that the cache has handed out in full, oldest first. */
  async downloads(): Promise<readonly string[]> {
    const requests = await this.cache.requests();
    return requests
      .filter(({ path, status }) => path.startsWith('/nar/') && status === 200)
      .map(({ path }) => path);
  }

  async down(): Promise<void> {
    await this.node.down();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.down();
  }
}

function configText(view: ViewName | undefined, config = ''): string {
  const text = view === undefined ? config : `view = "${view}"\n${config}`;
  return config.includes('[gc]') ? text : `${text}\n${KEEP_NOTHING}`;
}

/** Asks until it holds; the last failure is thrown after `patience` ms: 20 s, far longer than most things here take. */
export async function eventually<T>(check: () => Promise<T>, patience = 20_000): Promise<T> {
  const deadline = performance.now() + patience;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await sleep(50);
    }
  }
}
