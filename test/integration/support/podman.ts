import type { ExecResult } from '../../sandbox/sandbox.ts';
import { RESOLVER } from './resolver-hosts.ts';
import type { Rig } from './rig.ts';

/** The reserved host whose images have ordinary layers; `nix:0` is mapped to the same for a podman host. */
const REGISTRIES = ['nix-layers.local', 'nix:0']
  .map((prefix) =>
    ['[[registry]]', `prefix = "${prefix}"`, `location = "${RESOLVER}/layers"`, 'insecure = true', ''].join(
      '\n',
    ),
  )
  .concat(`[[registry]]\nlocation = "${RESOLVER}"\ninsecure = true\n`)
  .join('');

const ENV = { PODMAN_IGNORE_CGROUPSV1_WARNING: '1' };

/** Debian's podman on a rig's node, by root. */
export class Podman {
  readonly #rig: Pick<Rig, 'node' | 'snapshotter'>;

  private constructor(rig: Pick<Rig, 'node' | 'snapshotter'>) {
    this.#rig = rig;
  }

  /** Tells podman of the reserved hosts and logs in. */
  static async setUp(rig: Pick<Rig, 'node' | 'snapshotter'>): Promise<Podman> {
    const podman = new Podman(rig);
    await rig.node.writeFile('/etc/containers/registries.conf.d/nix-snapshotter.conf', REGISTRIES);
    await podman.login();
    return podman;
  }

  async login(): Promise<void> {
    const token = await this.#rig.node.readFile(`${this.#rig.snapshotter.root}/resolver-token`);
    const login = ['podman', 'login', '--username', 'nix', '--password-stdin', RESOLVER];
    await this.#rig.node.exec(login, { input: token, env: ENV });
  }

  async run(args: readonly string[], reject = true): Promise<ExecResult> {
    return await this.#rig.node.exec(['podman', ...args], { env: ENV, reject });
  }

  /** Runs an image to its end and returns what it says. */
  async runImage(
    image: string,
    args: readonly string[] = [],
    flags: readonly string[] = [],
  ): Promise<string> {
    const run = ['run', '--rm', '--quiet', '--network', 'none', ...flags, image, ...args];
    return (await this.run(run)).stdout;
  }

  async digestOf(image: string): Promise<string> {
    return (await this.run(['image', 'inspect', '--format', '{{.Digest}}', image])).stdout;
  }

  async removeAll(): Promise<void> {
    await this.run(['rmi', '--all', '--force']);
  }
}
