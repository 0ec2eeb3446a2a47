import type { StatusResponse } from '../../../proto/gen/messages.ts';
import { type BinaryCache, binaryCache } from '../../fixtures/binary-cache.ts';
import { configureNix } from '../../fixtures/nix-config.ts';
import { ensureTool } from '../../sandbox/go-tools.ts';
import { inside } from '../../sandbox/layout.ts';
import type { SandboxProcess } from '../../sandbox/process.ts';
import { rootlessBase } from '../../sandbox/rootless.ts';
import { type ExecOptions, type ExecResult, Sandbox } from '../../sandbox/sandbox.ts';
import { accepts } from '../../sandbox/snapshotter.ts';
import { waitFor } from '../../sandbox/wait-for.ts';
import type { Row } from './matrix.ts';
import { eventually } from './rig.ts';

export const USER = 1000;
/** Neither on an overlay nor on memory: layers lie here. */
const HOME = '/tmp/alice';
const RUNTIME = `/run/user/${USER}`;
export const ROOT = `${HOME}/.local/share/nix-snapshotter`;
export const HELPER_SOCKET = `/run/nix-snapshotter-view-helper/${USER}.sock`;
export const HELPER_ROOT = `/var/lib/nix-snapshotter-view-helper/${USER}`;
const SOCKET = `${RUNTIME}/nix-snapshotter/nix-snapshotter.sock`;
const CONFIG = `${HOME}/.config/nix-snapshotter/config.toml`;
const HELPER_CONFIG = '/etc/nix-snapshotter/view-helper.toml';
export const PROGRAM = ['node', `${inside.project}/dist/nix-snapshotter.mjs`];
const BASICS = `address = "${SOCKET}"\nroot = "${ROOT}"\n[resolver]\naddress = "127.0.0.1:7374"\n[gc]\ngrace = "1s"\n`;

/**
 * A node where root runs Nix's daemon, a binary cache and the view helper, and a user runs containerd by nerdctl's own
 * containerd-rootless.sh, and our daemon beside it.
 */
export class RootlessNode {
  readonly node: Sandbox;
  readonly cache: BinaryCache;
  /** Where containerd's programs and nerdctl's are. */
  readonly #path: string;
  #containerd: SandboxProcess | undefined;
  #daemon: SandboxProcess | undefined;
  #helper: SandboxProcess | undefined;

  constructor(parts: { node: Sandbox; cache: BinaryCache; path: string }) {
    this.node = parts.node;
    this.cache = parts.cache;
    this.#path = parts.path;
  }

  static async up(row: Pick<Row, 'version'>): Promise<RootlessNode> {
    const node = await Sandbox.up({ suite: 'trixie', name: 'rootless', base: await rootlessBase() });
    try {
      const tools = [await ensureTool('nerdctl')];
      if (row.version !== 'debian') tools.unshift(await ensureTool(`containerd-${row.version}`));
      const path = [
        ...tools.map((tool) => `${inside.tools}/${tool}`),
        '/usr/local/bin',
        '/usr/sbin',
        '/usr/bin',
        '/sbin',
        '/bin',
      ];
      await addUser(node);
      const cache = await binaryCache(node, [], { signed: true });
      await configureNix(node, { substituters: [cache] });
      const nix = node.spawn('nix-daemon', ['nix-daemon']);
      await waitFor(
        nix,
        async () => (await node.sh('nix --store daemon store info', { reject: false })).exitCode === 0,
      );
      const rig = new RootlessNode({ node, cache, path: path.join(':') });
      await rig.startHelper();
      await rig.#setUp(row.version === 'debian' ? 2 : 3);
      return rig;
    } catch (error) {
      await node.down();
      throw error;
    }
  }

  /** What the documentation tells a user to do. */
  async #setUp(formatVersion: number): Promise<void> {
    const off = `version = ${formatVersion}\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n`;
    await this.#write(`${HOME}/.config/containerd/config.toml`, off);
    await this.#write(CONFIG, BASICS);
    await this.#startContainerd();
    const setup = [...PROGRAM, 'setup', '--config', CONFIG];
    await this.inNamespaces([...setup, '--containerd']);
    await this.#containerd?.stop();
    await this.#startContainerd();
    await this.asUser([...setup, '--nerdctl']);
  }

  /** Gives our daemon further configuration, and starts it or starts it anew. */
  async configure(further: string): Promise<void> {
    await this.#write(CONFIG, `${BASICS}${further}`);
    await this.restartDaemon();
  }

  async restartDaemon(): Promise<void> {
    await this.stopDaemon();
    this.#daemon = this.#spawn('nix-snapshotter', [...PROGRAM, 'rootless', '--log-level', 'debug']);
    await waitFor(this.#daemon, async () => (await this.#tryStatus()).exitCode === 0);
    // Between two tries to connect containerd waits.
    const snapshots = ['ctr', 'snapshot', '--snapshotter', 'nix'];
    await eventually(async () => await this.inNamespaces([...snapshots, 'prepare', 'restarted']));
    await this.inNamespaces([...snapshots, 'rm', 'restarted']);
  }

  async stopDaemon(): Promise<void> {
    await this.#daemon?.stop();
  }

  /** `nix-snapshotter rootless` with flags that make it end by itself. */
  async rootless(flags: readonly string[]): Promise<ExecResult> {
    return await this.asUser([...PROGRAM, 'rootless', ...flags], { reject: false });
  }

  async status(): Promise<StatusResponse> {
    return JSON.parse((await this.#tryStatus()).stdout) as StatusResponse;
  }

  async #tryStatus(): Promise<ExecResult> {
    return await this.asUser([...PROGRAM, 'status', '--json'], { reject: false });
  }

  /** Starts the view helper as root, with no more privileges than its unit gives it. */
  async startHelper(further = ''): Promise<void> {
    await this.node.writeFile(HELPER_CONFIG, `[view_helper]\ngrace = "1s"\n${further}`);
    const capabilities = '-all,+sys_admin,+dac_override,+fowner,+chown,+sys_ptrace';
    const bounded = ['setpriv', '--bounding-set', capabilities, '--no-new-privs'];
    const helper = [...PROGRAM, 'view-helper', '--user', String(USER), '--config', HELPER_CONFIG];
    this.#helper = this.node.spawn('view-helper', [...bounded, ...helper, '--log-level', 'debug']);
    await waitFor(this.#helper, async () => await accepts(this.node.hostPath(HELPER_SOCKET)));
  }

  get helper(): SandboxProcess {
    if (this.#helper === undefined) throw new Error('the view helper was not started');
    return this.#helper;
  }

  async nerdctl(args: readonly string[], options?: ExecOptions): Promise<ExecResult> {
    return await this.asUser(['nerdctl', ...args], options);
  }

  /** Our image tool, as the user in RootlessKit's namespaces when it loads, and as root when it builds. */
  async nix2container(args: readonly string[], options?: ExecOptions): Promise<ExecResult> {
    const command = ['node', `${inside.project}/dist/nix2container.mjs`, ...args];
    return args[0] === 'load'
      ? await this.inNamespaces(command, options)
      : await this.node.exec(command, options);
  }

  async asUser(command: readonly string[], options: ExecOptions = {}): Promise<ExecResult> {
    return await this.node.exec([...AS_USER, ...command], { ...options, env: this.#env });
  }

  /** As the user in the namespaces of containerd. */
  async inNamespaces(command: readonly string[], options?: ExecOptions): Promise<ExecResult> {
    return await this.asUser(['containerd-rootless-setuptool.sh', 'nsenter', '--', ...command], options);
  }

  async down(): Promise<void> {
    await this.node.down();
  }

  async #startContainerd(): Promise<void> {
    this.#containerd = this.#spawn('containerd', ['containerd-rootless.sh']);
    const asked = async () => await this.inNamespaces(['ctr', 'version'], { reject: false });
    await waitFor(this.#containerd, async () => (await asked()).exitCode === 0);
  }

  #spawn(name: string, command: readonly string[]): SandboxProcess {
    return this.node.spawn(name, [...AS_USER, ...command], this.#env);
  }

  get #env(): Record<string, string> {
    return { PATH: this.#path, HOME, USER: 'alice', XDG_RUNTIME_DIR: RUNTIME };
  }

  async #write(path: string, text: string): Promise<void> {
    await this.asUser(['sh', '-c', 'mkdir -p "${1%/*}"; cat > "$1"', 'sh', path], { input: text });
  }
}

const AS_USER = ['setpriv', `--reuid=${USER}`, `--regid=${USER}`, '--init-groups'];

/** A user with ids to map, a home and a runtime directory, as a session of systemd's logind gives. */
async function addUser(node: Sandbox): Promise<void> {
  await node.sh(`
    useradd --uid ${USER} --home-dir ${HOME} --create-home alice
    install -d -o ${USER} -g ${USER} -m 700 ${RUNTIME}
    mkdir -p /dev/net && mknod -m 666 /dev/net/tun c 10 200`);
}
