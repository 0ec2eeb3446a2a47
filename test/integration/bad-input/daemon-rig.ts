import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { type StatusCode, StatusError } from '../../../src/errors.ts';
import type { SnapshotsMethods, StatusMethods, StatusResponse } from '../../../proto/gen/messages.ts';
import { createRpcClient, type RpcClient, type ServiceClient } from '../../../src/rpc/client.ts';
import { snapshots, status } from '../../../src/rpc/proto.ts';
import { inside } from '../../sandbox/layout.ts';
import { type ExecOptions, type ExecResult, Sandbox } from '../../sandbox/sandbox.ts';
import {
  KEEP_NOTHING,
  type Snapshotter,
  type SnapshotterOptions,
  startSnapshotter,
} from '../../sandbox/snapshotter.ts';

const BUNDLE = `${inside.project}/dist/nix-snapshotter.mjs`;

/** Our bundled daemon on a unix socket inside a node of its own, and a client of it. It keeps nothing after its last use unless told. */
export class DaemonRig {
  readonly node: Sandbox;
  readonly daemon: Snapshotter;
  readonly snapshots: ServiceClient<SnapshotsMethods>;
  readonly #status: ServiceClient<StatusMethods>;
  readonly #client: RpcClient;

  private constructor(node: Sandbox, daemon: Snapshotter) {
    this.node = node;
    this.daemon = daemon;
    this.#client = createRpcClient({
      address: node.hostPath(daemon.socket),
      maxMessageBytes: 32 * 1024 * 1024,
    });
    this.snapshots = this.#client.service(snapshots);
    this.#status = this.#client.service(status);
  }

  /** @param arrange what to do to the node before the daemon starts. */
  static async up(
    options: SnapshotterOptions = {},
    arrange: (node: Sandbox) => Promise<unknown> = () => Promise.resolve(),
  ): Promise<DaemonRig> {
    const node = await Sandbox.up({ suite: 'trixie', name: 'daemon' });
    try {
      await arrange(node);
      return new DaemonRig(
        node,
        await startSnapshotter(node, { logLevel: 'info', config: KEEP_NOTHING, ...options }),
      );
    } catch (error) {
      await node.down();
      throw error;
    }
  }

  /** A client of its own, to be thrown away. */
  client(): RpcClient {
    return createRpcClient({ address: this.node.hostPath(this.daemon.socket) });
  }

  status(): Promise<StatusResponse> {
    return this.#status.Status({});
  }

  /** Keys of all snapshots. */
  async keys(): Promise<readonly string[]> {
    const keys: string[] = [];
    for await (const { info } of this.snapshots.List({})) keys.push(...info.map(({ name }) => name));
    return keys.toSorted();
  }

  /** Names in a directory below the daemon's root. */
  names(directory: 'snapshots' | 'gcroots'): readonly string[] {
    return readdirSync(this.node.hostPath(`${this.daemon.root}/${directory}`)).toSorted();
  }

  async assertEmpty(): Promise<void> {
    assert.deepEqual(await this.keys(), []);
    assert.deepEqual(this.names('snapshots'), []);
    assert.deepEqual(this.names('gcroots'), []);
  }

  async down(): Promise<void> {
    this.#client.close();
    await this.node.down();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.down();
  }
}

/** Runs the program to its end; a daemon that does start is killed by the timeout, which throws. */
export async function runProgram(
  node: Sandbox,
  args: readonly string[],
  options: ExecOptions = {},
): Promise<ExecResult> {
  return await node.exec(['node', BUNDLE, ...args], { reject: false, timeout: 30_000, ...options });
}

/** Expects a StatusError of this code whose message matches all the patterns. */
export async function refused(
  call: Promise<unknown>,
  code: StatusCode,
  ...patterns: readonly (RegExp | string)[]
): Promise<void> {
  await assert.rejects(call, (error) => {
    assert.ok(error instanceof StatusError, String(error));
    assert.equal(error.code, code, error.message);
    for (const pattern of patterns) {
      if (typeof pattern === 'string') assert.ok(error.message.includes(pattern), error.message);
      else assert.match(error.message, pattern);
    }
    return true;
  });
}
