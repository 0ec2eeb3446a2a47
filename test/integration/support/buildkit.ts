import { ensureTool } from '../../sandbox/go-tools.ts';
import { inside } from '../../sandbox/layout.ts';
import type { SandboxProcess } from '../../sandbox/process.ts';
import type { ExecOptions, ExecResult } from '../../sandbox/sandbox.ts';
import { startSnapshotter } from '../../sandbox/snapshotter.ts';
import { waitFor } from '../../sandbox/wait-for.ts';
import { HOSTS_DIR, RESOLVER } from './resolver-hosts.ts';
import type { Rig } from './rig.ts';

const CONFIG = '/etc/buildkit/buildkitd.toml';

/** The socket of a buildkitd that is told nothing. */
const SOCKET = 'unix:///run/buildkit/buildkitd.sock';
const OCI_WORKER = {
  config: '/etc/buildkit/oci-worker.toml',
  socket: 'unix:///run/buildkit/oci-worker.sock',
  root: '/var/lib/buildkit-oci-worker',
  snapshotter: { root: '/var/lib/nix-snapshotter-build', socket: '/run/nix-snapshotter/build.sock' },
} as const;

/** BuildKit on a node, with containerd as its worker and our snapshotter. */
export interface Buildkit {
  /** nerdctl, with BuildKit's client in its PATH. */
  nerdctl(args: readonly string[], options?: ExecOptions): Promise<ExecResult>;
  /** Forgets everything that was built or pulled for it. */
  prune(): Promise<void>;
}

/**
 * Starts buildkitd, which serves `FROM nix:0/…` by the resolver, and gives its clients the resolver's token. docs/clients.md
 * shows the same by hand.
 *
 * @param registry `host:port` of an ordinary registry, by plain HTTP.
 */
export async function startBuildkit(rig: Rig, registry: string): Promise<Buildkit> {
  const { node, containerd, snapshotter } = rig;
  const { dir, env } = await programs();
  await node.writeFile(
    CONFIG,
    [
      '[worker.oci]',
      'enabled = false',
      '[worker.containerd]',
      'enabled = true',
      'namespace = "default"',
      'snapshotter = "nix"',
      '[registry."nix:0"]',
      `mirrors = ["${RESOLVER}"]`,
      `[registry."${RESOLVER}"]`,
      'http = true',
      `[registry."${registry}"]`,
      'http = true',
      '',
    ].join('\n'),
  );
  const token = (await node.readFile(`${snapshotter.root}/resolver-token`)).trim();
  const auth = Buffer.from(`nix:${token}`).toString('base64');
  await node.writeFile('/root/.docker/config.json', JSON.stringify({ auths: { [RESOLVER]: { auth } } }));
  const server = node.spawn('buildkitd', [`${dir}/buildkitd`, '--config', CONFIG], env);
  await waitForWorker(rig, server);
  return {
    async nerdctl(args, options = {}) {
      const flags = ['--hosts-dir', HOSTS_DIR, '--snapshotter', 'nix'];
      return await containerd.nerdctl([...flags, ...args], { ...options, env });
    },
    async prune() {
      await node.exec([`${dir}/buildctl`, 'prune', '--all']);
    },
  };
}

/**
 * Builds a context by BuildKit's own worker, which needs no containerd, with a daemon of ours of its own: containerd takes
 * snapshots that it does not know from a daemon that it uses. Returns what BuildKit printed.
 */
export async function buildByOciWorker(rig: Rig, registry: string, context: string): Promise<string> {
  const { node } = rig;
  const { dir, env } = await programs();
  const { config, socket, root, snapshotter } = OCI_WORKER;
  await startSnapshotter(node, { name: 'nix-snapshotter-build', config: '', ...snapshotter });
  await node.writeFile(
    config,
    [
      `root = "${root}"`,
      '[grpc]',
      `address = ["${socket}"]`,
      '[worker.containerd]',
      'enabled = false',
      '[worker.oci]',
      'enabled = true',
      'snapshotter = "nix"',
      `proxySnapshotterPath = "${snapshotter.socket}"`,
      `[registry."${registry}"]`,
      'http = true',
      '',
    ].join('\n'),
  );
  const server = node.spawn('buildkitd-oci', [`${dir}/buildkitd`, '--config', config], env);
  await waitForWorker(rig, server, socket);
  const local = ['--local', `context=${context}`, '--local', `dockerfile=${context}`];
  const build = ['build', '--progress', 'plain', '--frontend', 'dockerfile.v0', ...local];
  const { stderr } = await node.exec([`${dir}/buildctl`, '--addr', socket, ...build]);
  await server.stop();
  return stderr;
}

async function programs(): Promise<{ readonly dir: string; readonly env: Readonly<Record<string, string>> }> {
  const dir = `${inside.tools}/${await ensureTool('buildkit')}`;
  return { dir, env: { PATH: `${dir}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin` } };
}

async function waitForWorker({ node }: Rig, server: SandboxProcess, socket: string = SOCKET): Promise<void> {
  const { dir } = await programs();
  const ask = [`${dir}/buildctl`, '--addr', socket, 'debug', 'workers'];
  await waitFor(server, async () => (await node.exec(ask, { reject: false })).exitCode === 0);
}
