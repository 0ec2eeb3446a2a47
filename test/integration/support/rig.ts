import { setTimeout as sleep } from 'node:timers/promises';
import { type BinaryCache, binaryCache } from '../../fixtures/binary-cache.ts';
import { configureNix } from '../../fixtures/nix-config.ts';
import { type Containerd, SNAPSHOTTER_SOCKET, startContainerd } from '../../sandbox/containerd.ts';
import { inside } from '../../sandbox/layout.ts';
import { type ExecOptions, type ExecResult, Sandbox } from '../../sandbox/sandbox.ts';
import { type Snapshotter, startSnapshotter } from '../../sandbox/snapshotter.ts';
import type { Row } from './matrix.ts';

export interface RigOptions {
  readonly row: Pick<Row, 'suite' | 'version'>;
  /** Text of the daemon's configuration file. */
  readonly config?: string;
  readonly cri?: boolean;
  /** Also use the daemon as containerd's diff plugin. */
  readonly diffPlugin?: boolean;
}

/** A node with Nix, a signed binary cache on its loopback as only substituter, our daemon, and containerd. */
export class Rig {
  readonly node: Sandbox;
  readonly cache: BinaryCache;
  readonly snapshotter: Snapshotter;
  readonly containerd: Containerd;

  constructor(parts: {
    node: Sandbox;
    cache: BinaryCache;
    snapshotter: Snapshotter;
    containerd: Containerd;
  }) {
    this.node = parts.node;
    this.cache = parts.cache;
    this.snapshotter = parts.snapshotter;
    this.containerd = parts.containerd;
  }

  static async up({ row, config, cri, diffPlugin }: RigOptions): Promise<Rig> {
    const node = await Sandbox.up({ suite: row.suite, name: `rig-${row.suite}` });
    try {
      const cache = await binaryCache(node, [], { signed: true });
      await configureNix(node, { substituters: [cache] });
      const snapshotter = await startSnapshotter(node, config === undefined ? {} : { config });
      const containerd = await startContainerd(node, {
        version: row.version,
        snapshotterSocket: SNAPSHOTTER_SOCKET,
        cri: cri === true,
        diffPlugin: diffPlugin === true,
      });
      return new Rig({ node, cache, snapshotter, containerd });
    } catch (error) {
      await node.down();
      throw error;
    }
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

/** Asks until it holds; the last failure is thrown after 20 s, which is far longer than anything here takes. */
export async function eventually<T>(check: () => Promise<T>): Promise<T> {
  const deadline = performance.now() + 20_000;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await sleep(50);
    }
  }
}
