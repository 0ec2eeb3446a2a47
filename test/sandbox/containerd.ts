import { CNI_CONFLIST, containerdConfig, type NamedSnapshotter } from './containerd-config.ts';
import { ensureTool } from './go-tools.ts';
import { inside } from './layout.ts';
import type { SandboxProcess } from './process.ts';
import type { ExecOptions, ExecResult, Sandbox } from './sandbox.ts';
import { waitFor } from './wait-for.ts';

export const CONTAINERD_VERSIONS = ['debian', '2.2', '2.3', '2.4'] as const;
export type ContainerdVersion = (typeof CONTAINERD_VERSIONS)[number];

const CONTAINERD_SOCKET = '/run/containerd/containerd.sock';
export const SNAPSHOTTER_SOCKET = '/run/nix-snapshotter/nix-snapshotter.sock';
export const SNAPSHOTTER_ROOT = '/var/lib/nix-snapshotter';

export interface ContainerdOptions {
  /** The suite's own, or one from Go modules. */
  readonly version: ContainerdVersion;
  /** Adds proxy snapshotter `nix` at this socket. */
  readonly snapshotterSocket?: string;
  /** Its `exports.root`; our daemon's default root unless told. */
  readonly snapshotterRoot?: string;
  /** Its declared capabilities (`remap-ids`, `rebase`, …). */
  readonly snapshotterCapabilities?: readonly string[];
  /** Proxy snapshotters besides `nix`. */
  readonly furtherSnapshotters?: readonly NamedSnapshotter[];
  /** Adds diff plugin `nix-diff` at the same socket. */
  readonly diffPlugin?: boolean;
  /** Turns the CRI service on, with a bridge network for pods. */
  readonly cri?: boolean;
}

/** Starts containerd inside a sandbox and waits until it answers. One per sandbox. */
export async function startContainerd(node: Sandbox, options: ContainerdOptions): Promise<Containerd> {
  let binDir = '/usr/bin';
  if (options.version !== 'debian')
    binDir = `${inside.tools}/${await ensureTool(`containerd-${options.version}`)}`;
  const version = parseVersion((await node.exec([`${binDir}/containerd`, '--version'])).stdout);
  await node.writeFile(
    '/etc/containerd/config.toml',
    containerdConfig({
      formatVersion: version.startsWith('1.') ? 2 : 3,
      platform: process.arch === 'arm64' ? 'linux/arm64' : 'linux/amd64',
      cri: options.cri === true,
      furtherSnapshotters: options.furtherSnapshotters ?? [],
      ...(options.snapshotterSocket === undefined
        ? {}
        : {
            proxy: {
              socket: options.snapshotterSocket,
              root: options.snapshotterRoot ?? SNAPSHOTTER_ROOT,
              capabilities: options.snapshotterCapabilities ?? [],
              diff: options.diffPlugin === true,
            },
          }),
    }),
  );
  await node.writeFile('/etc/cni/net.d/10-testbed.conflist', CNI_CONFLIST);
  const containerd = new Containerd({ binDir, version }, { node });
  await containerd.start();
  return containerd;
}

/** The version in what `containerd --version` says, without a leading `v` or a distribution's suffix. */
export function parseVersion(text: string): string {
  return /\bv?(\d+\.\d+\.\d+[-\w.]*)/.exec(text)?.[1] ?? 'unknown';
}

/** A running containerd and its clients. */
export class Containerd {
  /** As the program says, for example `1.7.24`. */
  readonly version: string;
  readonly socket = CONTAINERD_SOCKET;
  readonly binDir: string;
  readonly #node: Sandbox;
  #process: SandboxProcess | undefined;

  constructor(options: { binDir: string; version: string }, deps: { node: Sandbox }) {
    this.binDir = options.binDir;
    this.version = options.version;
    this.#node = deps.node;
  }

  /** The daemon's process. */
  get process(): SandboxProcess {
    if (this.#process === undefined) throw new Error('containerd was not started');
    return this.#process;
  }

  async start(): Promise<void> {
    // The shim is looked for in PATH first, beside containerd second.
    const env = { PATH: `${this.binDir}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin` };
    this.#process = this.#node.spawn('containerd', [`${this.binDir}/containerd`], env);
    await waitFor(this.#process, async () => (await this.ctr(['version'], { reject: false })).exitCode === 0);
  }

  /** `ctr` of the same version. */
  async ctr(args: readonly string[], options?: ExecOptions): Promise<ExecResult> {
    return await this.#node.exec([`${this.binDir}/ctr`, '--address', this.socket, ...args], options);
  }

  /** nerdctl, built on first use; cgroupfs manager, `nix` or any snapshotter by `--snapshotter`. */
  async nerdctl(args: readonly string[], options?: ExecOptions): Promise<ExecResult> {
    const tool = `${inside.tools}/${await ensureTool('nerdctl')}/nerdctl`;
    const flags = ['--address', this.socket, '--cgroup-manager', 'cgroupfs', '--cni-path', '/usr/lib/cni'];
    return await this.#node.exec([tool, ...flags, ...args], options);
  }

  /** crictl, built on first use; needs `cri: true`. */
  async crictl(args: readonly string[], options?: ExecOptions): Promise<ExecResult> {
    const tool = `${inside.tools}/${await ensureTool('crictl')}/crictl`;
    const endpoint = `unix://${this.socket}`;
    // Its default of two seconds is less than containerd's own retries take.
    const flags = ['--timeout', '60s', '--runtime-endpoint', endpoint, '--image-endpoint', endpoint];
    return await this.#node.exec([tool, ...flags, ...args], options);
  }

  /** SIGTERM; containers and their shims go on. */
  async stop(): Promise<void> {
    await this.process.stop();
  }

  async kill9(): Promise<void> {
    await this.process.kill9();
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  async logs(): Promise<string> {
    return await this.process.logs();
  }
}
