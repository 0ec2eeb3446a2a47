import type { SandboxProcess } from '../../sandbox/process.ts';
import type { ExecResult } from '../../sandbox/sandbox.ts';
import { waitFor } from '../../sandbox/wait-for.ts';
import { RESOLVER } from './resolver-hosts.ts';
import type { Rig } from './rig.ts';

/** Where dockerd keeps images: containerd's store with one of its snapshotters, or its own. */
export type ImageStore = { readonly snapshotter: 'overlayfs' | 'nix' } | 'docker';

/** A sandbox has no network but its loopback. */
const NO_NETWORK = { iptables: false, ip6tables: false, bridge: 'none' } as const;

/** Debian's dockerd on a rig's node, with the rig's containerd. */
export class Dockerd {
  readonly #rig: Rig;
  #process: SandboxProcess | undefined;

  constructor(rig: Rig) {
    this.#rig = rig;
  }

  /** Starts it and logs in; what ran before is stopped. */
  async start(store: ImageStore): Promise<void> {
    await this.stop();
    const { node, containerd } = this.#rig;
    const images =
      store === 'docker'
        ? {}
        : { features: { 'containerd-snapshotter': true }, 'storage-driver': store.snapshotter };
    const config = { ...NO_NETWORK, containerd: containerd.socket, ...images };
    await node.writeFile('/etc/docker/daemon.json', JSON.stringify(config));
    const path = `${containerd.binDir}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`;
    const dockerd = node.spawn('dockerd', ['dockerd'], { PATH: path });
    this.#process = dockerd;
    await waitFor(dockerd, async () => (await this.docker(['info'], false)).exitCode === 0);
    await this.login();
  }

  async login(): Promise<void> {
    const { node, snapshotter } = this.#rig;
    const token = await node.readFile(`${snapshotter.root}/resolver-token`);
    const login = ['docker', 'login', '--username', 'nix', '--password-stdin', RESOLVER];
    await node.exec(login, { input: token });
  }

  async stop(): Promise<void> {
    await this.#process?.stop();
    this.#process = undefined;
  }

  async docker(args: readonly string[], reject = true): Promise<ExecResult> {
    return await this.#rig.node.exec(['docker', ...args], { reject });
  }

  /** Runs an image to its end and returns what it says. */
  async runImage(
    image: string,
    args: readonly string[] = [],
    flags: readonly string[] = [],
  ): Promise<string> {
    return (await this.docker(['run', '--rm', '--network', 'none', ...flags, image, ...args])).stdout;
  }

  /** The digest of the manifest that was pulled. */
  async digestOf(image: string): Promise<string | undefined> {
    const inspect = ['image', 'inspect', '--format', '{{index .RepoDigests 0}}', image];
    return (await this.docker(inspect)).stdout.split('@')[1];
  }

  /** All images and stopped containers. */
  async prune(): Promise<void> {
    await this.docker(['system', 'prune', '--all', '--force']);
  }
}
