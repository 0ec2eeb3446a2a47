import { type Containerd, startContainerd } from '../../sandbox/containerd.ts';
import { inside } from '../../sandbox/layout.ts';
import { type ExecResult, Sandbox } from '../../sandbox/sandbox.ts';
import type { Row } from './matrix.ts';

export const MAIN = '/etc/containerd/config.toml';
export const DAEMON_CONFIG = '/etc/nix-snapshotter/config.toml';
/** The daemon's default root. */
export const ROOT = '/var/lib/containerd/io.containerd.snapshotter.v1.nix';

/** A node with a containerd that knows nothing of us, on which `setup` runs. */
export class SetupNode {
  readonly node: Sandbox;
  readonly containerd: Containerd;
  /** So that `containerd` and `ctr` are found. */
  readonly env: Readonly<Record<string, string>>;

  constructor(parts: { readonly node: Sandbox; readonly containerd: Containerd }) {
    this.node = parts.node;
    this.containerd = parts.containerd;
    const system = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
    this.env = { PATH: `${parts.containerd.binDir}:${system}`, HOME: '/root' };
  }

  static async up(row: Pick<Row, 'suite' | 'version'>): Promise<SetupNode> {
    const node = await Sandbox.up({ suite: row.suite, name: 'setup' });
    try {
      const containerd = await startContainerd(node, { version: row.version, cri: true });
      return new SetupNode({ node, containerd });
    } catch (error) {
      await node.down();
      throw error;
    }
  }

  /** Runs `nix-snapshotter setup`, whatever its exit code is. */
  async setup(...args: readonly string[]): Promise<ExecResult> {
    const program = ['node', `${inside.project}/dist/nix-snapshotter.mjs`, 'setup'];
    return await this.node.exec([...program, ...args], { env: this.env, reject: false });
  }

  /** Runs a command of this containerd's release. */
  async run(command: readonly string[]): Promise<string> {
    return (await this.node.exec(command, { env: this.env })).stdout;
  }

  /** SHA-256 of each file that setup could touch, by path. */
  async files(): Promise<string> {
    const places = '/etc/containerd /etc/nerdctl /etc/containers /etc/nix-snapshotter /etc/rancher /root';
    const find = `find ${places} -type f -exec stat -c '%a %n' {} + -exec sha256sum {} + 2>/dev/null || true`;
    return (await this.node.sh(find)).stdout;
  }
}
