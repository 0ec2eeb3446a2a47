import { ensureTool } from '../../sandbox/go-tools.ts';
import { inside } from '../../sandbox/layout.ts';
import type { ExecOptions, ExecResult } from '../../sandbox/sandbox.ts';
import { waitFor } from '../../sandbox/wait-for.ts';
import { HOSTS_DIR, RESOLVER } from './resolver-hosts.ts';
import type { Rig } from './rig.ts';

const CONFIG = '/etc/buildkit/buildkitd.toml';

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
  const dir = `${inside.tools}/${await ensureTool('buildkit')}`;
  const env = { PATH: `${dir}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin` };
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
  const buildctl = async (...args: readonly string[]) =>
    await node.exec([`${dir}/buildctl`, ...args], { reject: false });
  await waitFor(server, async () => (await buildctl('debug', 'workers')).exitCode === 0);
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
