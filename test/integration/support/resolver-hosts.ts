import type { Rig } from './rig.ts';

export const RESOLVER = '127.0.0.1:7373';
/** For the daemon's configuration. */
export const RESOLVER_CONFIG = `[resolver]\naddress = "${RESOLVER}"\n`;
export const HOSTS_DIR = '/etc/containerd/certs.d';

/** Tells containerd and its clients that the reserved hosts are served by the resolver, with its token. */
export async function useResolver({ node, snapshotter }: Pick<Rig, 'node' | 'snapshotter'>): Promise<void> {
  const token = (await node.readFile(`${snapshotter.root}/resolver-token`)).trim();
  const server = `http://${RESOLVER}`;
  const hosts = [
    `server = "${server}"`,
    `[host."${server}"]`,
    'capabilities = ["pull", "resolve"]',
    `[host."${server}".header]`,
    `authorization = "Bearer ${token}"`,
    '',
  ].join('\n');
  for (const host of ['nix_0_', 'nix.local']) await node.writeFile(`${HOSTS_DIR}/${host}/hosts.toml`, hosts);
}
